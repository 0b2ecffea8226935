// zstd by the node:zlib of Node.
import { zstdContract } from './zstd-contract.ts'

zstdContract()
