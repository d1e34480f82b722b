// The memory store keeps the contract of every store.
import { memoryStore } from './memory-store.ts'
import { storeContract } from './store.contract.ts'

storeContract('the memory store', { open: ({ now }) => memoryStore({ now }) })
