// A service in miniature: starts a managed MongoDB, says where, and lives until it is killed.
import { startManagedMongod } from "../../dist/mongod/index.js";

const mongod = await startManagedMongod({ dataDir: process.argv[2], log: () => {} });
process.stdout.write(`${JSON.stringify({ uri: mongod.uri, pid: mongod.pid })}\n`);
