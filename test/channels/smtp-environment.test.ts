import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { freshDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import { startOAuth } from "../support/oauth.ts";
import { authorityFile, privateCertificate } from "../support/private-ca.ts";
import { addUser, deliver, typesFile } from "../support/provider-deliveries.ts";
import { eventually, spawnService, type Variables } from "../support/service.ts";
import { type SmtpBehaviour, startSmtp } from "../support/smtp.ts";

// The program with the variables of an operator, and a mail server that asks for more than a password in clear text.

const database = freshDatabase();
const NOTIFICATION_TYPES_FILE = typesFile();
const address = "ada@receiver.example";

async function mailServer(behaviour: SmtpBehaviour) {
  const sink = await startSmtp(behaviour);
  onTestFinished(() => sink.close());
  return sink;
}

async function belfry(variables: Variables) {
  const service = await spawnService({
    DB_URI: database.uri,
    NOTIFICATION_TYPES_FILE,
    LOG_LEVEL: "trace",
    ...variables,
  });
  const user = await addUser(database, { email: address });
  const mail = (until?: Parameters<typeof deliver>[4]) => deliver(database, service.url, user, "mail", until);
  const provider = async () => (await call(service.url, "GET", "/readyz?verbose")).body.providers.email.smtp;
  return { ...service, mail, provider };
}

const attempted = ({ attempts, lease }: { attempts: unknown[]; lease?: unknown }) =>
  attempts.length > 0 && !lease;

describe("a relay with STARTTLS, a login and a certificate of a private authority", () => {
  const login = { SMTP_LOGIN: "belfry@sender.example", SMTP_PASSWORD: "open sesame" };

  async function relay() {
    const logins: Array<{ password: unknown; secure: boolean }> = [];
    const sink = await mailServer({
      options: {
        ...privateCertificate,
        disabledCommands: [],
        authOptional: false,
        onAuth(auth, session, callback) {
          logins.push({ password: auth.password, secure: session.secure });
          callback(null, { user: "belfry" });
        },
      },
    });
    const variables = { ...sink.variables, ...login, SMTP_HOST: "localhost", SMTP_TLS: "required" };
    return { sink, logins, variables };
  }

  test("gets its mails over TLS when NODE_EXTRA_CA_CERTS names the authority", async () => {
    const { sink, logins, variables } = await relay();
    const { mail, provider } = await belfry({ ...variables, NODE_EXTRA_CA_CERTS: authorityFile });
    expect(await mail()).toMatchObject({ state: "sent", tries: 1, attempts: [{ outcome: "sent" }] });
    expect(sink.mails.map(({ to }) => to)).toEqual([address]);
    expect(logins).toEqual([{ password: "open sesame", secure: true }]);
    expect(await provider()).toEqual({ state: "ok" });
  });

  test("gets neither mail nor password without it, and log and /readyz say what to set", async () => {
    const { sink, logins, variables } = await relay();
    const { mail, provider, output } = await belfry(variables);
    expect(await mail(attempted)).toMatchObject({
      state: "pending",
      tries: 0,
      attempts: [{ outcome: "misconfigured" }],
    });
    expect([logins, sink.mails]).toEqual([[], []]);
    expect(await provider()).toMatchObject({
      state: "paused",
      text: "certificate not trusted: unable to verify the first certificate",
      remedy: expect.stringContaining("NODE_EXTRA_CA_CERTS"),
    });
    expect(output()).toContain("NODE_EXTRA_CA_CERTS");
    expect(output()).not.toContain("open sesame");
  });
});

describe("a mail server that takes access tokens", () => {
  const login = "box@sender.example";
  const client = { SMTP_LOGIN: login, SMTP_OAUTH_CLIENT_ID: "belfry" };
  /** Tokens t1, t2, …, with refresh tokens r1, r2, … */
  const numbered = () => {
    let count = 0;
    return () => {
      count++;
      const json = { access_token: `t${count}-canary`, refresh_token: `r${count}-canary`, expires_in: 3_600 };
      return { status: 200, json };
    };
  };

  test("refresh token: one that is refused is renewed within the attempt, and none is in the log", async () => {
    const { asked, valid, shown, behaviour, tokenUrl } = await startOAuth(login, numbered());
    valid.add("t2-canary");
    const sink = await mailServer(behaviour);
    const { mail, output } = await belfry({
      ...sink.variables,
      ...client,
      SMTP_OAUTH_TOKEN_URL: tokenUrl,
      SMTP_OAUTH_CLIENT_SECRET: "secret-canary",
      SMTP_OAUTH_REFRESH_TOKEN: "r0-canary",
    });
    expect(await mail()).toMatchObject({ state: "sent", tries: 1, attempts: [{ outcome: "sent" }] });
    expect(sink.mails.map(({ to }) => to)).toEqual([address]);
    expect(shown).toEqual(["t1-canary", "t2-canary"]);
    const rest = { grant_type: "refresh_token", client_id: "belfry", client_secret: "secret-canary" };
    expect(asked.map((form) => Object.fromEntries(form))).toEqual([
      { ...rest, refresh_token: "r0-canary" },
      { ...rest, refresh_token: "r1-canary" },
    ]);
    expect(output()).not.toContain("canary");
  });

  test("client credentials: a token that ends early is renewed with the next connection", async () => {
    const { asked, valid, shown, behaviour, tokenUrl } = await startOAuth(login, numbered());
    valid.add("t1-canary");
    const first = await mailServer(behaviour);
    const folder = mkdtempSync(join(tmpdir(), "belfry-oauth-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const secretFile = join(folder, "secret");
    writeFileSync(secretFile, "secret-canary\n");
    const scope = "https://outlook.office365.com/.default";
    const { mail, provider } = await belfry({
      ...first.variables,
      ...client,
      SMTP_OAUTH_TOKEN_URL: tokenUrl,
      SMTP_OAUTH_CLIENT_SECRET_FILE: secretFile,
      SMTP_OAUTH_SCOPE: scope,
      RETRY_DELAY_MS: "100",
    });
    expect(await mail()).toMatchObject({ state: "sent", tries: 1 });
    valid.clear();
    valid.add("t2-canary");
    await first.close();
    const second = await mailServer({ ...behaviour, port: first.port });
    expect(await mail()).toMatchObject({ state: "sent" });
    expect([first.mails.length, second.mails.length]).toEqual([1, 1]);
    expect(shown).toEqual(["t1-canary", "t1-canary", "t2-canary"]);
    const form = {
      grant_type: "client_credentials",
      client_id: "belfry",
      client_secret: "secret-canary",
      scope,
    };
    expect(asked.map((one) => Object.fromEntries(one))).toEqual([form, form]);
    expect(await provider()).toEqual({ state: "ok" });
  });

  test("a token server that refuses us pauses the provider with its words; no try is used up", async () => {
    const { shown, behaviour, tokenUrl } = await startOAuth(login, () => ({
      status: 400,
      json: { error: "invalid_grant", error_description: "the refresh token has been revoked" },
    }));
    const sink = await mailServer(behaviour);
    const { mail, provider } = await belfry({
      ...sink.variables,
      ...client,
      SMTP_OAUTH_TOKEN_URL: tokenUrl,
      SMTP_OAUTH_REFRESH_TOKEN: "r0-canary",
    });
    expect(await mail(attempted)).toMatchObject({ state: "pending", tries: 0 });
    await eventually(async () => (await provider()).state === "paused", "the provider is paused");
    expect(await provider()).toMatchObject({
      text: "the token server refused us: invalid_grant: the refresh token has been revoked",
      remedy: expect.stringContaining("SMTP_OAUTH_"),
    });
    expect([shown, sink.mails]).toEqual([[], []]);
  });
});
