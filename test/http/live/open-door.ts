import { createAddresses } from "../../../src/http/addresses.ts";
import { createOriginRule } from "../../../src/http/origins.ts";

/** What `liveRoutes` takes besides a hub, where it is not about who may listen: everybody, and nobody is asked whether they are there. */
export const openDoor = {
  heartbeatMs: 600_000,
  now: Date.now,
  authorizer: { authorize: async () => ({}) },
  addresses: createAddresses(() => false),
  isAllowedOrigin: createOriginRule([]),
  connectionsPerUser: 10,
  connectionsPerAddress: 10,
};
