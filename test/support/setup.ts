import "./no-proxy.ts";
import "./wake-sockets.ts";
import { afterEach } from "vitest";
import { closeAll } from "./closing.ts";

afterEach(closeAll);
