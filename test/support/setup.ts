import "./no-proxy.ts";
import "./wake-sockets.ts";
import { afterEach } from "vitest";
import { closeAll } from "./closing.ts";

// Runs for each test file. What it imports runs once for a worker, whose files share their modules.
afterEach(closeAll);
