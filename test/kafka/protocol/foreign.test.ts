// What other clients wrote, by the node:zlib of workerd.
import { foreignContract } from './foreign-contract.ts'

foreignContract()
