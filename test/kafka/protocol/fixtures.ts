// Made once, by others: Python's cramjam 2.14 (Snappy), lz4 4.4 (the LZ4 frame format, by its own C library) and zstandard
// 0.25 (zstd's own).
import { fromBase64 } from './random.ts'

/** 392 bytes of words. */
export const WORDS = fromBase64(
  'YmF0Y2ggYSBvZmZzZXQga2Fma2Ega2Fma2EgcGFydGl0aW9uIHJpZ2VsIG9mZnNldCByaWdlbCByaWdlbCBrYWZrYSBwYXJ0aXRpb24gcmlnZWwgcmlnZWwgcGFydGl0aW9uIHBhcnRpdGlvbiBvZmZzZXQgb2Zmc2V0IG9mZnNldCByaWdlbCBiYXRjaCBhIHBhcnRpdGlvbiBvZmZzZXQgb2Zmc2V0IHJpZ2VsIG9mZnNldCBwYXJ0aXRpb24gYSBiYXRjaCBiYXRjaCBwYXJ0aXRpb24gYmF0Y2ggYSBwYXJ0aXRpb24gcGFydGl0aW9uIGEga2Fma2Egb2Zmc2V0IHJpZ2VsIGJhdGNoIGJhdGNoIG9mZnNldCBvZmZzZXQga2Fma2EgYmF0Y2ggb2Zmc2V0IHBhcnRpdGlvbiBiYXRjaCByaWdlbCBvZmZzZXQgYmF0Y2ggYSBwYXJ0aXRpb24gcmlnZWwgYSByaWdlbCBrYWZrYSBwYXJ0aXRpb24ga2Fma2E=',
)

/** 200,000 bytes that compress well, in four blocks of 64 KiB. */
export const BIG = Uint8Array.from({ length: 200_000 }, (_, at) => (at % 251) ^ (at >> 16))

/** 32 bytes that do not compress. */
export const NOISE = fromBase64('LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=')

export const SNAPPY_WORDS = fromBase64(
  'iANMYmF0Y2ggYSBvZmZzZXQga2Fma2ENBjhwYXJ0aXRpb24gcmlnZWwRIwkNCQYJLz4pAAkcGRYZCg1mNgcACS8RiV4tAAByLoQAGSUEYSAJOQkGGRgJEABhHRIZHBHhDYcAcgVaCTEJBg0ZDQcJ5TIaABlMCRcAcgVDDTAJEy57AAByBR8AYQ0ICVA4cGFydGl0aW9uIGthZmth',
)
export const SNAPPY_NOISE = fromBase64('IHwtcRZCtyawRAFifKn7rDL1yFMPsZA8xNsCJYcXkhpIgQ==')

export const LZ4_WORDS = fromBase64(
  'BCJNGGBAgqwAAADzBWJhdGNoIGEgb2Zmc2V0IGthZmthBgD0AHBhcnRpdGlvbiByaWdlbCMAAg0AAgYAAi8ADCkAAhwABhYABgoAA2YACgcAAi8ABIkADy0ABQImAAM6AAYlABNhOQACBgAGGAACEAAITwAGHAAE4QADTQACWgACMQACBgADGQADBwAC5QAJGgAGTAACFwACQwADMAACEwAIewACHwATYUgBAlAABkMAUGthZmthAAAAAA==',
)
/** With the size of the content, and checksums of blocks and content. */
export const LZ4_WORDS_WITH_ALL = fromBase64(
  'BCJNGHxAiAEAAAAAAAAZrAAAAPMFYmF0Y2ggYSBvZmZzZXQga2Fma2EGAPQAcGFydGl0aW9uIHJpZ2VsIwACDQACBgACLwAMKQACHAAGFgAGCgADZgAKBwACLwAEiQAPLQAFAiYAAzoABiUAE2E5AAIGAAYYAAIQAAhPAAYcAAThAANNAAJaAAIxAAIGAAMZAAMHAALlAAkaAAZMAAIXAAJDAAMwAAITAAh7AAIfABNhSAECUAAGQwBQa2Fma2F6Sf1EAAAAACZq/Ls=',
)
/** A block that is stored as it is. */
export const LZ4_NOISE = fromBase64('BCJNGGBAgiAAAIAtcRZCtyawRAFifKn7rDL1yFMPsZA8xNsCJYcXkhpIgQAAAAA=')
/** Blocks that refer to those before them. */
export const LZ4_BIG_LINKED = fromBase64(
  'BCJNGEBAwAUCAAD/7AABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj9AQUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVpbXF1eX2BhYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ent8fX5/gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaXmJmam5ydnp+goaKjpKWmp6ipqqusra6vsLGys7S1tre4ubq7vL2+v8DBwsPExcbHyMnKy8zNzs/Q0dLT1NXW19jZ2tvc3d7f4OHi4+Tl5ufo6err7O3u7/Dx8vP09fb3+Pn6+wD////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////sUBQVFhcYBQIAAP/sGBsaHRwfHiEgIyIlJCcmKSgrKi0sLy4xMDMyNTQ3Njk4Ozo9PD8+QUBDQkVER0ZJSEtKTUxPTlFQU1JVVFdWWVhbWl1cX15hYGNiZWRnZmloa2ptbG9ucXBzcnV0d3Z5eHt6fXx/foGAg4KFhIeGiYiLio2Mj46RkJOSlZSXlpmYm5qdnJ+eoaCjoqWkp6apqKuqrayvrrGws7K1tLe2ubi7ur28v77BwMPCxcTHxsnIy8rNzM/O0dDT0tXU19bZ2Nva3dzf3uHg4+Ll5Ofm6ejr6u3s7+7x8PPy9fT39vn4+wEAAwIFBAcGCQgLCg0MDw4REBMSFRQXFhn7AP///////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////+xQLC8uMTAFAgAA/+wwMTY3NDU6Ozg5Pj88PUJDQEFGR0RFSktISU5PTE1SU1BRVldUVVpbWFleX1xdYmNgYWZnZGVqa2hpbm9sbXJzcHF2d3R1ent4eX5/fH2Cg4CBhoeEhYqLiImOj4yNkpOQkZaXlJWam5iZnp+cnaKjoKGmp6Slqquoqa6vrK2ys7Cxtre0tbq7uLm+v7y9wsPAwcbHxMXKy8jJzs/MzdLT0NHW19TV2tvY2d7f3N3i4+Dh5ufk5err6Onu7+zt8vPw8fb39PX6+/gCAwABBgcEBQoLCAkODwwNEhMQERYXFBUaGxgZHh8cHSIjICEmJyQlKisoKS4vLC0yM/sA////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////7FBERUpLSBIBAAD/7EhPTk1MU1JRUFdWVVRbWllYX15dXGNiYWBnZmVka2ppaG9ubWxzcnFwd3Z1dHt6eXh/fn18g4KBgIeGhYSLiomIj46NjJOSkZCXlpWUm5qZmJ+enZyjoqGgp6alpKuqqaivrq2ss7KxsLe2tbS7urm4v769vMPCwcDHxsXEy8rJyM/OzczT0tHQ19bV1Nva2djf3t3c4+Lh4Ofm5eTr6uno7+7t7PPy8fD39vX0+/r5AwIBAAcGBQQLCgkIDw4NDBMSERAXFhUUGxoZGB8eHRwjIiEgJyYlJCsqKSgvLi0sMzIxMDc2NTQ7Ojk4Pz49PENCQUBHRkVES0pJ+wD///////////////85UMTLysnIAAAAAA==',
)

export const ZSTD_WORDS = fromBase64(
  'KLUv/WCIANUDAKQCYmF0Y2ggYSBvZmZzZXQga2Fma2FwYXJ0aXRpb24gcmlnZWxhYWthZmthISAwQsUg3jhVEWDgywNQD2gDHmzoyMAA+AAjZVDMAbUD5BN4N5DiYd0gMICTD3WLQwdAAmDwQA4DKSGtgw5BUAhjwKogHAAOwIBUyeYd',
)
export const ZSTD_WORDS_WITH_CHECKSUM = fromBase64(
  'KLUv/WSIAE0DAKJCCRCwqQNkWdhcS+6ImCQFyVQFo41PShxqMZeX6DPa2KxkZnpHyEEfoODZP9YgROCUMg841WLX/wzSsQLpD1zWf6LMgERebpv0tN3UKuciwwdlSMDASV3pGOdqy7dlLKtfIEPDLCULKZNpwL4=',
)
/** Streamed: without the size of the content, of which the window takes the place. */
export const ZSTD_WORDS_STREAMED = fromBase64(
  'KLUv/QBY1QMApAJiYXRjaCBhIG9mZnNldCBrYWZrYXBhcnRpdGlvbiByaWdlbGFha2Fma2EhIDBCxSDeOFURYODLA1APaAMebOjIwAD4ACNlUMwBtQPkE3g3kOJh3SAwgJMPdYtDB0ACYPBADgMpIa2DDkFQCGPAqiAcAA7AgFTJ5h0=',
)
export const ZSTD_NOISE = fromBase64('KLUv/SAgAQEALXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=')
/** Two blocks of 128 KiB at most, and a checksum. */
export const ZSTD_BIG_STREAMED = fromBase64(
  'KLUv/QRILBAAZB8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl9gYWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoOEhYaHiImKi4yNjo+QkZKTlJWWl5iZmpucnZ6foKGio6SlpqeoqaqrrK2ur7CxsrO0tba3uLm6u7y9vr/AwcLDxMXGx8jJysvMzc7P0NHS09TV1tfY2drb3N3e3+Dh4uPk5ebn6Onq6+zt7u/w8fLz9PX29/j5+hgbGh0cHx4hICMiJSQnJikoKyotLC8uMTAzMjU0NzY5ODs6PTw/PkFAQ0JFREdGSUhLSk1MT05RUFNSVVRXVllYW1pdXF9eYWBjYmVkZ2ZpaGtqbWxvbnFwc3J1dHd2eXh7en18f36BgIOChYSHhomIi4qNjI+OkZCTkpWUl5aZmJuanZyfnqGgo6KlpKemqairqq2sr66xsLOytbS3trm4u7q9vL++wcDDwsXEx8bJyMvKzczPztHQ09LV1NfW2djb2t3c397h4OPi5eTn5uno6+rt7O/u8fDz8vX09/b5+PsBAAMCBQQHBgkICwoNDA8OERATEhUUFxYZAgB7gT/oci/w9+tGCiUQAGQfMDE2NzQ1Ojs4OT4/PD1CQ0BBRkdERUpLSElOT0xNUlNQUVZXVFVaW1hZXl9cXWJjYGFmZ2RlamtoaW5vbG1yc3Bxdnd0dXp7eHl+f3x9goOAgYaHhIWKi4iJjo+MjZKTkJGWl5SVmpuYmZ6fnJ2io6ChpqekpaqrqKmur6ytsrOwsba3tLW6u7i5vr+8vcLDwMHGx8TFysvIyc7PzM3S09DR1tfU1drb2Nne39zd4uPg4ebn5OXq6+jp7u/s7fLz8PH29/T1+vv4AgMAAQYHBAUKCwgJDg8MDRITEBEWFxQVGhsYGR4fHB0iIyAhJickJSorKCkuLywtMjNIT05NTFNSUVBXVlVUW1pZWF9eXVxjYmFgZ2ZlZGtqaWhvbm1sc3JxcHd2dXR7enl4f359fIOCgYCHhoWEi4qJiI+OjYyTkpGQl5aVlJuamZifnp2co6KhoKempaSrqqmor66trLOysbC3trW0u7q5uL++vbzDwsHAx8bFxMvKycjPzs3M09LR0NfW1dTb2tnY397d3OPi4eDn5uXk6+rp6O/u7ezz8vHw9/b19Pv6+QMCAQAHBgUECwoJCA8ODQwTEhEQFxYVFBsaGRgfHh0cIyIhICcmJSQrKikoLy4tLDMyMTA3NjU0Ozo5OD8+PTxDQkFAR0ZFREtKSQIAeyECX+4F/jqQAvorq6Q=',
)
/** 163,840 zeros, in blocks that repeat a byte. */
export const ZSTD_ZEROS = fromBase64('KLUv/QBIVAAAEAAAAQD7/znAAgMABAA=')
