import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { networks } from "../../src/channels/webhook/guard.ts";
import { createAddresses } from "../../src/http/addresses.ts";

// The client that a limit counts, from a real connection; the peer is 127.0.0.1.

/** The client's address, for a server that trusts these proxies, of a request with this header. */
async function seen(trusted: string[], forwarded?: string | string[], listen = "127.0.0.1"): Promise<string> {
  const { clientAddress } = createAddresses(networks(trusted));
  const server = createServer((incoming, answer) => void answer.end(clientAddress(incoming)));
  await once(server.listen(0, listen), "listening");
  const { port } = server.address() as AddressInfo;
  const headers = forwarded === undefined ? {} : { "x-forwarded-for": forwarded };
  const asking = request({ host: "127.0.0.1", port, headers }).end();
  const [answer] = await once(asking, "response");
  let text = "";
  for await (const chunk of answer) text += chunk;
  await new Promise((resolve) => server.close(resolve));
  return text;
}

test.each<[string[], string | string[] | undefined, string]>([
  [[], undefined, "127.0.0.1"],
  [[], "203.0.113.9", "127.0.0.1"],
  [["10.0.0.0/8"], "203.0.113.9", "127.0.0.1"],
  [["127.0.0.0/8"], undefined, "127.0.0.1"],
  [["127.0.0.1"], "203.0.113.9", "203.0.113.9"],
  // The client's own entries stand before those that the proxy adds.
  [["127.0.0.1"], "198.51.100.1, 203.0.113.9", "203.0.113.9"],
  [["127.0.0.1"], ["198.51.100.1", "203.0.113.9"], "203.0.113.9"],
  [["127.0.0.1", "10.0.0.0/8"], "198.51.100.1, 203.0.113.9,10.1.2.3 ,  10.1.2.4", "203.0.113.9"],
  [["127.0.0.1", "10.0.0.0/8"], "10.1.2.3, 10.1.2.4", "10.1.2.3"],
  // An entry that is not an address ends the search; the last known proxy counts.
  [["127.0.0.1"], "", "127.0.0.1"],
  [["127.0.0.1"], "unknown", "127.0.0.1"],
  [["127.0.0.1", "10.0.0.0/8"], "203.0.113.9, _hidden, 10.1.2.3", "10.1.2.3"],
  [["127.0.0.1"], "203.0.113.9,", "127.0.0.1"],
  // Each connection has another port.
  [["127.0.0.1"], "203.0.113.9:50123", "203.0.113.9"],
  [["127.0.0.1"], "[2001:db8:1:2::9]:50123", "2001:db8:1:2::/64"],
  // One client has a whole /64.
  [["127.0.0.1"], "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  [["127.0.0.1"], "2001:0DB8:0001:0002::1", "2001:db8:1:2::/64"],
  [["127.0.0.1"], "2001:db8::1", "2001:db8:0:0::/64"],
  [["127.0.0.1"], "2001:db8::5:6:7:8:9", "2001:db8:0:5::/64"],
  [["127.0.0.1"], "fe80::1%eth0", "fe80:0:0:0::/64"],
  [["127.0.0.1"], "::1", "0:0:0:0::/64"],
  // An IPv4-mapped address is the IPv4 address.
  [["127.0.0.1"], "::ffff:203.0.113.9", "203.0.113.9"],
  [["127.0.0.1"], "::ffff:cb00:7109", "203.0.113.9"],
  [["127.0.0.1", "10.0.0.0/8"], "203.0.113.9, ::ffff:10.1.2.3", "203.0.113.9"],
  [["127.0.0.1", "2001:db8::/32"], "203.0.113.9, 2001:db8::7", "203.0.113.9"],
  [["127.0.0.1", "2001:db8::/32"], "203.0.113.9, 2001:db9::7", "2001:db9:0:0::/64"],
])("with trusted proxies %j and X-Forwarded-For %j the client is %s", async (trusted, forwarded, address) => {
  expect(await seen(trusted, forwarded)).toBe(address);
});

test("a socket that takes both families sees an IPv4 peer as one", async () => {
  expect(await seen([], undefined, "::")).toBe("127.0.0.1");
  expect(await seen(["127.0.0.1"], "203.0.113.9", "::")).toBe("203.0.113.9");
});
