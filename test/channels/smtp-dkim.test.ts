import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { dkimVerify } from "mailauth/lib/dkim/verify.js";
import { describe, expect, onTestFinished, test } from "vitest";
import { publicPart, readDkimKey } from "../../src/channels/email/dkim.ts";
import { createSmtpProvider } from "../../src/channels/email/smtp-transport.ts";
import { examineDkim } from "../../src/cli/examine-dkim.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { EmailMessage } from "../../src/model/channel.ts";
import { startSmtp } from "../support/smtp.ts";

// Signatures are verified by mailauth, with the DNS record that the docs ask for.

const pemOf = (bits: number) =>
  generateKeyPairSync("rsa", { modulusLength: bits }).privateKey.export({
    type: "pkcs8",
    format: "pem",
  }) as string;
const key = readDkimKey(pemOf(2_048));

const links = {
  "List-Unsubscribe": `<https://belfry.example/u/${"x".repeat(90)}>`,
  "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
  "List-Id": "<social.belfry.example>",
};
const mail: EmailMessage = {
  id: "64c000000000000000000001",
  user: "u",
  to: "ada@receiver.example",
  subject: "Hello",
  text: "Hello Ada",
  html: "<p>Hello Ada</p>",
  headers: links,
};

async function sent(message: Partial<EmailMessage> = {}): Promise<string> {
  const sink = await startSmtp();
  onTestFinished(() => sink.close());
  const provider = createSmtpProvider({
    host: "127.0.0.1",
    port: sink.port,
    from: { address: "belfry@sender.example", name: "Belfry" },
    tls: "auto",
    connections: 1,
    dkim: { domain: "sender.example", selector: "one", key },
  });
  onTestFinished(() => provider.close());
  await provider.send({ ...mail, ...message });
  return sink.mails[0]?.raw as string;
}

const record = `v=DKIM1; k=rsa; p=${publicPart(key)}`;
async function verified(raw: string) {
  const asked: string[] = [];
  const { results } = await dkimVerify(raw, {
    resolver: async (name: string) => {
      asked.push(name);
      return [[record]];
    },
  });
  return { result: results[0], asked };
}

describe("DKIM", () => {
  test.each<[string, Partial<EmailMessage>]>([
    ["of a text and its HTML", {}],
    ["of a text alone", { html: undefined as never }],
    [
      "of lines that end in many ways",
      { text: "a \r\n\r\n.\r\n.b\n\tc  \rd\n\n\n", html: "<p>\n.\n</p>\n\n" },
    ],
    [
      "of letters beyond ASCII and long lines",
      { subject: "Größe 日本 🎉 ".repeat(20), text: "ü".repeat(3_000) },
    ],
    ["of a mail without a text", { text: "", html: undefined as never }],
    ["of a large mail", { text: "word ".repeat(20_000), html: `<p>${"x".repeat(100_000)}</p>` }],
  ])("the signature %s is right", async (_what, message) => {
    const { result, asked } = await verified(await sent(message));
    expect(result?.status).toMatchObject({ result: "pass", aligned: "sender.example" });
    expect(asked).toEqual(["one._domainkey.sender.example"]);
  });

  test("the signature covers the headers of the unsubscribe button", async () => {
    const header = /^DKIM-Signature:.*(\r\n[ \t].*)*/m.exec(await sent())?.[0].replace(/\s+/g, "");
    const signed = /;h=([^;]*)/.exec(header ?? "")?.[1]?.split(":");
    expect(signed).toEqual(
      expect.arrayContaining([
        "from",
        "to",
        "subject",
        "list-unsubscribe",
        "list-unsubscribe-post",
        "list-id",
      ]),
    );
  });

  test.each([
    ["the link", /x{90}/, "y"],
    ["the one-click header", /One-Click/, "Two-Click"],
    ["the text", /Hello Ada/, "Hello Eve"],
  ])("a mail whose %s was changed on the way does not pass", async (_what, from, to) => {
    const raw = await sent();
    const changed = raw.replace(from, to);
    expect(changed).not.toBe(raw);
    expect((await verified(changed)).result?.status.result).not.toBe("pass");
  });
});

describe("belfry doctor", () => {
  const { config } = loadConfig({
    SMTP_HOST: "127.0.0.1",
    SMTP_EMAIL: "belfry@news.sender.example",
    SMTP_DKIM_DOMAIN: "sender.example",
    SMTP_DKIM_SELECTOR: "one",
    SMTP_DKIM_PRIVATE_KEY: key.export({ type: "pkcs8", format: "pem" }) as string,
  });
  async function findings(answer: () => string[][], more: Partial<typeof config> = {}) {
    const all = [];
    for await (const one of examineDkim({ ...config, ...more }, async () => answer())) all.push(one);
    return all;
  }
  const failing = (code: string) => () => {
    throw Object.assign(new Error(code), { code });
  };

  test.each([
    ["fits", "ok", () => [["v=spf1 -all"], [record.slice(0, 200), record.slice(200)]]],
    ["has another key", "bad", () => [["v=DKIM1; p=MIIBIjAN"]]],
    ["is revoked", "bad", () => [["v=DKIM1; p="]]],
    ["is missing", "bad", failing("ENOTFOUND")],
    ["is missing beside others", "bad", failing("ENODATA")],
    ["cannot be asked for", "note", failing("ETIMEOUT")],
  ])("says that the DNS record %s", async (_what, verdict, answer) => {
    const all = await findings(answer);
    expect(all.map((one) => one.verdict)).toEqual([verdict]);
    expect(all[0]?.text).toContain("one._domainkey.sender.example");
    if (verdict === "bad") expect(all[0]?.advice).toContain(record);
  });

  test("notes a short key, and a domain that is not the sender's", async () => {
    const all = await findings(failing("ETIMEOUT"), {
      SMTP_DKIM_PRIVATE_KEY: pemOf(1_024),
      SMTP_EMAIL: "belfry@other.example",
    });
    expect(all.map(({ text }) => text).slice(1)).toEqual([
      "the key has 1024 bits",
      expect.stringContaining("DMARC does not count the signature"),
    ]);
  });

  test("says nothing when mails are not signed", async () => {
    expect(await findings(failing("ETIMEOUT"), { SMTP_DKIM_DOMAIN: undefined })).toEqual([]);
  });
});

describe("the private key", () => {
  test("may be PKCS #1, and may have its line ends written as \\n", () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
    const pem = privateKey.export({ type: "pkcs1", format: "pem" }) as string;
    expect(publicPart(readDkimKey(pem.replaceAll("\n", "\\n")))).toBe(publicPart(privateKey));
  });

  const rsa = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  const ed25519 = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" });
  test.each([
    ["a public key", rsa.publicKey.export({ type: "spki", format: "pem" }), /is a public key/],
    ["no PEM", "MIIEvQIBADANBg", /must be a PEM/],
    ["a key cut short", pemOf(2_048).slice(0, 900), /cut short/],
    ["an encrypted key", encrypted(rsa.privateKey), /must be a PEM/],
    ["a short key", pemOf(512), /must be RSA of 2048 bits, at least 1024/],
    ["a key of another kind", ed25519, /must be RSA/],
  ])("%s is refused", (_what, pem, sentence) => {
    expect(() => readDkimKey(pem as string)).toThrow(sentence);
  });
});

function encrypted(key: KeyObject): string {
  const cipher = { cipher: "aes-256-cbc", passphrase: "open sesame" };
  return key.export({ type: "pkcs8", format: "pem", ...cipher }) as string;
}
