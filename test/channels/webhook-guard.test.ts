import { lookup } from "node:dns/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseNetwork } from "../../src/channels/webhook/guard.ts";
import { createWebhookProvider, type WebhookOptions } from "../../src/channels/webhook/send.ts";
import { SendError } from "../../src/model/delivery.ts";
import { startTarget, type Target } from "../support/webhook.ts";

const secret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

let sink: Target;
beforeAll(async () => {
  sink = await startTarget((_call, response) => void response.end());
});
afterAll(() => sink.close());

/** Names as a hostile zone may have them; anything else is asked of the system. */
const zone: Record<string, string[]> = {
  "loopback.example": ["127.0.0.1"],
  "metadata.example": ["169.254.169.254"],
  "one-of-two.example": ["93.184.216.34", "127.0.0.1"],
  "six-of-two.example": ["93.184.216.34", "::1"],
  "mapped.example": ["::ffff:127.0.0.1"],
};

const resolve = async (host: string) =>
  zone[host] ?? (await lookup(host, { all: true })).map((one) => one.address);

function provider(more: Partial<WebhookOptions> = {}) {
  return createWebhookProvider({
    allowHttp: true,
    allowNetworks: [],
    ports: [80, 443, sink.port],
    now: Date.now,
    resolve,
    ...more,
  });
}

const send = (url: string, more?: Partial<WebhookOptions>) =>
  provider(more)
    .send({ id: "0".repeat(24), user: "u", url, secrets: [secret], payload: {} })
    .then(
      () => ({ kind: "sent" as const }),
      (error) => (error as SendError).outcome,
    );

describe("a target that is not public is refused before any connection", () => {
  const at = (host: string) => `http://${host}:PORT/hook`;
  const urls = [
    at("127.0.0.1"),
    at("127.1"),
    at("127.255.255.254"),
    at("0x7f.0.0.1"),
    at("0177.0.0.1"),
    at("2130706433"),
    at("１２７.0.0.1"),
    at("127.0.0.1."),
    at("localhost"),
    at("LocalHost"),
    at("0.0.0.0"),
    at("0"),
    at("10.0.0.1"),
    at("10.255.255.255"),
    at("100.64.0.1"),
    at("169.254.169.254"),
    at("172.16.0.1"),
    at("172.31.255.255"),
    at("192.0.0.8"),
    at("192.168.1.1"),
    at("198.18.0.1"),
    at("203.0.113.9"),
    at("224.0.0.1"),
    at("255.255.255.255"),
    at("[::1]"),
    at("[::]"),
    at("[::ffff:127.0.0.1]"),
    at("[::ffff:7f00:1]"),
    at("[::127.0.0.1]"),
    at("[64:ff9b::7f00:1]"),
    at("[64:ff9b:1::7f00:1]"),
    at("[2002:7f00:1::]"),
    at("[2001:0:7f00:1::]"),
    at("[fc00::1]"),
    at("[fd00:ec2::254]"),
    at("[fe80::1]"),
    at("[ff02::1]"),
    at("[2001:db8::1]"),
    at("loopback.example"),
    at("metadata.example"),
    at("one-of-two.example"),
    at("six-of-two.example"),
    at("mapped.example"),
    "http://user:password@93.184.216.34:PORT/",
    "http://93.184.216.34:22/",
    "ftp://93.184.216.34:PORT/",
    "file:///etc/passwd",
    "unix:/var/run/docker.sock",
    "/hook",
    "",
  ];

  test(`each of ${urls.length} URLs is refused`, async () => {
    const outcomes = await Promise.all(
      urls.map(async (url) => [url, await send(url.replace("PORT", String(sink.port)))] as const),
    );
    for (const [url, outcome] of outcomes)
      expect(outcome, url).toMatchObject({ kind: "rejected", reason: "policy", code: "BLOCKED" });
    expect(sink.connections()).toBe(0);
  });

  test("http:// is refused unless allowed, and a port that is not listed even in an allowed network", async () => {
    const url = `http://127.0.0.1:${sink.port}/`;
    const open = { allowNetworks: ["127.0.0.0/8"] };
    expect(await send(url, { ...open, allowHttp: false })).toMatchObject({
      kind: "rejected",
      code: "BLOCKED",
    });
    expect(await send(url, { ...open, ports: [80, 443] })).toMatchObject({
      kind: "rejected",
      code: "BLOCKED",
    });
    expect(sink.connections()).toBe(0);
  });

  test("opening a network does not open its IPv4-mapped form", async () => {
    const mapped = await send(`http://[::ffff:127.0.0.1]:${sink.port}/`, { allowNetworks: ["127.0.0.0/8"] });
    expect(mapped).toMatchObject({ kind: "rejected", code: "BLOCKED" });
    expect(sink.connections()).toBe(0);
    expect(await send(`http://127.0.0.1:${sink.port}/`, { allowNetworks: ["127.0.0.0/8"] })).toEqual({
      kind: "sent",
    });
    expect(await send(`http://[::1]:${sink.port}/`, { allowNetworks: ["::1"] })).toEqual({ kind: "sent" });
    expect(sink.calls).toHaveLength(2);
  });
});

test("a name that changes after the check leads only to the checked address, and each call checks again", async () => {
  const inside = await startTarget((_call, response) => void response.end(), {
    host: "127.0.0.2",
  });
  const outside = await startTarget((_call, response) => void response.end(), {
    host: "127.0.0.3",
    port: inside.port,
  });
  const asked: string[] = [];
  const rebinding = provider({
    allowNetworks: ["127.0.0.3/32"],
    ports: [inside.port],
    resolve: async (host) => {
      asked.push(host);
      return [asked.length === 1 ? "127.0.0.3" : "127.0.0.2"];
    },
  });
  const message = {
    id: "0".repeat(24),
    user: "u",
    url: `http://rebind.example:${inside.port}/`,
    secrets: [secret],
    payload: {},
  };
  await rebinding.send(message);
  expect(asked).toHaveLength(1);
  expect(outside.calls[0]?.headers.host).toBe(`rebind.example:${inside.port}`);
  await expect(rebinding.send(message)).rejects.toThrow(SendError);
  expect(asked).toHaveLength(2);
  expect(outside.calls).toHaveLength(1);
  expect(inside.connections()).toBe(0);
  await Promise.all([inside.close(), outside.close()]);
});

test("parseNetwork accepts networks and nothing else", () => {
  expect(parseNetwork("10.0.0.0/8")).toEqual({ address: "10.0.0.0", prefix: 8, family: 4 });
  expect(parseNetwork("fd00::/8")).toEqual({ address: "fd00::", prefix: 8, family: 6 });
  expect(parseNetwork("::1")).toEqual({ address: "::1", prefix: 128, family: 6 });
  for (const text of [
    "",
    "10.0.0.0/33",
    "10.0.0/8",
    "::/129",
    "10.0.0.0/8/8",
    "10.0.0.0/",
    "fe80::1%lo/10",
    "x",
  ])
    expect(parseNetwork(text), text).toBeUndefined();
});
