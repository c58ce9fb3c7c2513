import { createAddresses } from "../../../src/http/addresses.ts";
import { createOriginRule } from "../../../src/http/origins.ts";

/** Options of `liveRoutes` that admit everybody and send no heartbeats. */
export const openAdmission = {
  heartbeatMs: 600_000,
  now: Date.now,
  authorizer: { authorize: async () => ({}) },
  addresses: createAddresses(() => false),
  isAllowedOrigin: createOriginRule([]),
  connectionsPerUser: 10,
  connectionsPerAddress: 10,
};
