import { wakeClosedSockets } from "../../src/store/closed-sockets.ts";

// As `main.ts` does, for the services that run inside a test's process.
wakeClosedSockets();
