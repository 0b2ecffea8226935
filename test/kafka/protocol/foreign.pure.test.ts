// What other clients wrote, by the node:zlib of Node.
import { foreignContract } from './foreign-contract.ts'

foreignContract()
