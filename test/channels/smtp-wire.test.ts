import { describe, expect, onTestFinished, test } from "vitest";
import { createSmtpProvider, type SmtpOptions } from "../../src/channels/email/smtp-transport.ts";
import type { EmailMessage } from "../../src/model/channel.ts";
import { SendError } from "../../src/model/delivery.ts";
import { startOAuth } from "../support/oauth.ts";
import { readMail } from "../support/provider-mail.ts";
import { type SmtpBehaviour, startSmtp } from "../support/smtp.ts";

const mail: EmailMessage = {
  id: "64c000000000000000000001",
  user: "u",
  to: "ada@receiver.example",
  subject: "Hello",
  text: "Hello Ada",
  html: "<p>Hello Ada</p>",
};

/** A server, and a provider that sends there. */
async function pair(behaviour: SmtpBehaviour = {}, more: Partial<SmtpOptions> = {}) {
  const sink = await startSmtp(behaviour);
  onTestFinished(() => sink.close());
  const provider = createSmtpProvider({
    host: "127.0.0.1",
    port: sink.port,
    from: { address: "belfry@sender.example", name: "Belfry" },
    tls: "auto",
    connections: 2,
    ...more,
  });
  onTestFinished(() => provider.close());
  const send = (message: Partial<EmailMessage> = {}) =>
    provider.send({ ...mail, ...message }).catch((error: unknown) => {
      if (!(error instanceof SendError)) throw error;
      return error.outcome;
    });
  return { sink, provider, send };
}

const headerOf = (raw: string, name: string): string | undefined =>
  new RegExp(`^${name}: (.*)\r$`, "im").exec(raw)?.[1];

describe("a mail on the wire", () => {
  test("says that a program wrote it, when and under which id, and no content adds a header", async () => {
    const { sink, send } = await pair();
    await send();
    await send({ subject: "Hi\r\nBcc: eve@evil.example", text: "x\r\n.\r\nBcc: eve@evil.example" });
    const [plain, hostile] = sink.mails.map(({ raw }) => raw) as [string, string];
    expect(headerOf(plain, "Auto-Submitted")).toBe("auto-generated");
    expect(Date.parse(headerOf(plain, "Date") as string)).toBeGreaterThan(0);
    expect(headerOf(plain, "Message-ID")).toBe("<64c000000000000000000001@sender.example>");
    expect(headerOf(plain, "From")).toBe("Belfry <belfry@sender.example>");
    expect(readMail(hostile).headers).toEqual(readMail(plain).headers);
    expect(readMail(hostile).text).toContain("\r\n.\r\n");
  });

  test("has the message's further headers", async () => {
    const { sink, send } = await pair();
    await send({ headers: { "List-Unsubscribe": "<https://belfry.example/u/1>" } });
    const raw = sink.mails[0]?.raw as string;
    expect(headerOf(raw, "List-Unsubscribe")).toBe("<https://belfry.example/u/1>");
    expect(headerOf(raw, "Auto-Submitted")).toBe("auto-generated");
  });

  test("has a boundary that nobody can guess", async () => {
    const { sink, send } = await pair();
    for (let n = 0; n < 3; n++) await send();
    const boundaries = sink.mails.map(({ raw }) => /boundary="?([^";\r]+)/.exec(raw)?.[1]);
    expect(new Set(boundaries).size).toBe(3);
    for (const boundary of boundaries) expect(boundary).not.toContain(mail.id);
  });

  test("has no line that is too long for a mail server", async () => {
    const { sink, send } = await pair();
    await send({ subject: "ä ".repeat(240), text: "word ".repeat(900), html: `<p>${"x".repeat(5_000)}</p>` });
    await send({ subject: "x".repeat(500), text: "日本語".repeat(900) });
    for (const { raw } of sink.mails)
      for (const line of raw.split("\r\n")) expect(Buffer.byteLength(line)).toBeLessThanOrEqual(998);
    expect(sink.mails).toHaveLength(2);
  });

  test("has the type's sender name and reply address", async () => {
    const { sink, send } = await pair();
    await send({ fromName: 'Night "Desk"', replyTo: "help@sender.example" });
    expect(headerOf(sink.mails[0]?.raw as string, "From")).toBe('"Night \\"Desk\\"" <belfry@sender.example>');
    expect(headerOf(sink.mails[0]?.raw as string, "Reply-To")).toBe("help@sender.example");
  });
});

describe("the greeting", () => {
  const greeted = async (more: Partial<SmtpOptions>) => {
    const names: string[] = [];
    const { send } = await pair(
      {
        options: {
          onMailFrom: (_address, session, callback) => {
            names.push(session.hostNameAppearsAs as unknown as string);
            callback();
          },
        },
      },
      more,
    );
    await send();
    return names;
  };

  test("is the sender's domain", async () => {
    expect(await greeted({})).toEqual(["sender.example"]);
  });
  test("is SMTP_EHLO when that is set", async () => {
    expect(await greeted({ ehlo: "web-1.inside.example" })).toEqual(["web-1.inside.example"]);
  });
});

describe("letters beyond ASCII", () => {
  test("before the @: nothing is handed over to a server without SMTPUTF8", async () => {
    let asked = 0;
    const { sink, send } = await pair({ onRecipient: () => void asked++, options: { hideSMTPUTF8: true } });
    expect(await send({ to: "jörg@example.com" })).toMatchObject({
      kind: "rejected",
      reason: "address",
      remember: false,
    });
    expect([asked, sink.mails.length]).toEqual([0, 0]);
  });

  test("before the @: sent to a server with SMTPUTF8", async () => {
    const { sink, send } = await pair();
    expect(await send({ to: "jörg@example.com" })).toHaveProperty("providerId");
    expect(sink.mails.map(({ to }) => to)).toEqual(["jörg@example.com"]);
  });

  test("in the domain: sent in ASCII to any server", async () => {
    const asked: string[] = [];
    const { send } = await pair({ onRecipient: (address) => void asked.push(address) });
    await send({ to: "ada@bücher.example" });
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatch(/^ada@(xn--bcher-kva|bücher)\.example$/);
  });
});

describe("a password", () => {
  const login = { login: "belfry@sender.example", password: "open sesame" };
  const asking = () => {
    const logins: unknown[] = [];
    const behaviour: SmtpBehaviour = {
      options: {
        authOptional: true,
        allowInsecureAuth: true,
        onAuth(auth, _session, callback) {
          logins.push(auth.password);
          callback(null, { user: "belfry" });
        },
      },
    };
    return { logins, behaviour };
  };

  test("is not sent in clear text beyond this machine, and the remedy names the variable", async () => {
    const { logins, behaviour } = asking();
    // By this address too the server is reached, and it is none of loopback's.
    const { send } = await pair(behaviour, { ...login, host: "0.0.0.0" });
    expect(await send()).toMatchObject({
      kind: "misconfigured",
      remedy: expect.stringContaining("SMTP_TLS=none"),
    });
    expect(logins).toEqual([]);
  });

  test.each([
    ["with SMTP_TLS=none", { host: "0.0.0.0", tls: "none" as const }],
    ["to this machine", {}],
  ])("is sent %s", async (_name, more) => {
    const { logins, behaviour } = asking();
    const { send } = await pair(behaviour, { ...login, ...more });
    expect(await send()).toHaveProperty("providerId");
    expect(logins).toEqual(["open sesame"]);
  });
});

describe("OAuth2", () => {
  const login = "box@sender.example";
  async function servers(answer: Parameters<typeof startOAuth>[1]) {
    const { tokenUrl, ...rest } = await startOAuth(login, answer);
    return { ...rest, oauth: { tokenUrl, clientId: "belfry", clientSecret: "hush" } };
  }

  test("client credentials: many mails over several connections take one token", async () => {
    const { asked, valid, behaviour, oauth } = await servers(() => ({
      status: 200,
      json: { access_token: "t1", expires_in: 3_600 },
    }));
    valid.add("t1");
    const scope = "https://outlook.office365.com/.default";
    const { sink, send } = await pair(behaviour, { login, oauth: { ...oauth, scope } });
    await Promise.all(Array.from({ length: 6 }, () => send()));
    expect(sink.mails).toHaveLength(6);
    expect(asked.map((form) => Object.fromEntries(form))).toEqual([
      { grant_type: "client_credentials", client_id: "belfry", client_secret: "hush", scope },
    ]);
  });

  test("refresh token: a token that the mail server refuses is renewed, with the newest refresh token", async () => {
    let count = 0;
    const { asked, valid, behaviour, oauth } = await servers(() => {
      count++;
      return {
        status: 200,
        json: { access_token: `t${count}`, refresh_token: `r${count}`, expires_in: 3_600 },
      };
    });
    valid.add("t2");
    const { sink, send } = await pair(behaviour, { login, oauth: { ...oauth, refreshToken: "r0" } });
    expect(await send()).toHaveProperty("providerId");
    expect(sink.mails).toHaveLength(1);
    expect(asked.map((form) => [form.get("grant_type"), form.get("refresh_token")])).toEqual([
      ["refresh_token", "r0"],
      ["refresh_token", "r1"],
    ]);
  });

  test("a token server that refuses us is a misconfiguration with its words, without the secret", async () => {
    const { behaviour, oauth } = await servers(() => ({
      status: 401,
      json: { error: "invalid_client", error_description: "the secret has expired" },
    }));
    const { send } = await pair(behaviour, { login, oauth });
    const outcome = await send();
    expect(outcome).toMatchObject({
      kind: "misconfigured",
      text: "the token server refused us: invalid_client: the secret has expired",
      remedy: expect.stringContaining("SMTP_OAUTH_"),
    });
    expect(JSON.stringify(outcome)).not.toContain("hush");
  });

  test("a token server that does not answer is no misconfiguration: tried again", async () => {
    const { behaviour, oauth } = await servers(() => ({ status: 503, json: {} }));
    const { send } = await pair(behaviour, { login, oauth });
    expect(await send()).toMatchObject({ kind: "retry", ailing: true });
    const { send: nowhere } = await pair(behaviour, {
      login,
      oauth: { ...oauth, tokenUrl: "http://127.0.0.1:1/" },
    });
    expect(await nowhere()).toMatchObject({ kind: "retry", ailing: true });
  });
});
