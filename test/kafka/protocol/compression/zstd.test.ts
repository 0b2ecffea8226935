// zstd by the node:zlib of workerd.
import { zstdContract } from './zstd-contract.ts'

zstdContract()
