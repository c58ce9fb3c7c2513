import { createHmac, generateKeyPairSync, type KeyObject } from "node:crypto";
import { decodeJwt, decodeProtectedHeader, SignJWT, UnsecuredJWT } from "jose";
import { describe, expect, test } from "vitest";
import { createTokens } from "../../src/core/tokens.ts";
import { BelfryError } from "../../src/model/errors.ts";
import { freshDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import { startService } from "../support/service.ts";

const secret = "a-secret-of-more-than-32-characters";
const older = "an-older-secret-of-32-characters-and-more";
const start = Date.UTC(2026, 0, 1, 12, 0, 0, 400);
const second = Math.floor(start / 1000);
const clock = { now: start };
const at = (seconds: number) => {
  clock.now = start + seconds * 1000;
};
const open = (
  more: { secrets?: string[]; publicKey?: string; audience?: string; maxSeconds?: number } = {},
) => {
  at(0);
  return createTokens({ secrets: [secret], ttlSeconds: 900, now: () => clock.now, ...more });
};
const bytes = (text: string) => new TextEncoder().encode(text);
const good = { sub: "alex", exp: second + 60 };
const signed = (
  claims: Record<string, unknown>,
  key: Uint8Array | KeyObject = bytes(secret),
  header: Record<string, unknown> = {},
) => new SignJWT(claims).setProtectedHeader({ alg: "HS256", ...header }).sign(key);

/** The sentence of the refusal; anything but `unauthorized` fails the test. */
async function refusal(tokens: ReturnType<typeof createTokens>, token: string): Promise<string> {
  const error = await tokens.verify(token).then(
    ({ user }) => new Error(`taken as ${user}'s: ${token}`),
    (reason) => reason,
  );
  if (!(error instanceof BelfryError)) throw error;
  expect(error.code, token).toBe("unauthorized");
  return error.message;
}
const plain = new BelfryError("unauthorized").message;

describe("a token of ours", () => {
  test("is its user's until the moment that was told, and 5 s of unequal clocks longer", async () => {
    const tokens = open();
    const { token, expiresAt } = await tokens.sign("alex");
    expect(expiresAt).toBe((second + 900) * 1000);
    expect(await tokens.verify(token)).toStrictEqual({ user: "alex", expiresAt: expiresAt + 5_000 });
    clock.now = expiresAt + 4_999;
    expect((await tokens.verify(token)).user).toBe("alex");
    clock.now = expiresAt + 5_000;
    expect(await refusal(tokens, token)).toBe("The token has expired: ask for a new one.");
  });

  test("lasts as long as was asked for", async () => {
    const tokens = open();
    for (const ttl of [10, 86_400]) {
      at(0);
      const { token, expiresAt } = await tokens.sign("alex", ttl);
      expect(expiresAt).toBe((second + ttl) * 1000);
      at(ttl - 1);
      expect((await tokens.verify(token)).user).toBe("alex");
      at(ttl + 6);
      expect(await refusal(tokens, token)).toMatch(/expired/);
    }
  });

  test("names its user as stored, the audience and its key, and nothing else", async () => {
    const { token } = await open().sign("638F394D4B7243FC0399EA67");
    const sub = "638f394d4b7243fc0399ea67";
    expect(decodeJwt(token)).toStrictEqual({ sub, aud: "belfry", iat: second, exp: second + 900 });
    expect(decodeProtectedHeader(token)).toStrictEqual({
      alg: "HS256",
      typ: "JWT",
      kid: expect.stringMatching(/^[\w-]{8}$/),
    });
  });

  test("keeps any user's id to the letter", async () => {
    const tokens = open();
    for (const user of ["4", "04", "Alex", "ü 🎈/..%2F", "__proto__", "x".repeat(128)])
      expect((await tokens.verify((await tokens.sign(user)).token)).user).toBe(user);
  });

  test("is not made without a secret", async () => {
    await expect(open({ secrets: [] }).sign("alex")).rejects.toMatchObject({ code: "tokens_off" });
  });
});

describe("a secret that is replaced", () => {
  test("still opens while it is listed; the first signs", async () => {
    const { token } = await open({ secrets: [older] }).sign("alex");
    const both = open({ secrets: [secret, older] });
    expect((await both.verify(token)).user).toBe("alex");
    const fresh = await both.sign("alex");
    expect((await open().verify(fresh.token)).user).toBe("alex");
    expect(await refusal(open({ secrets: [older] }), fresh.token)).toBe(plain);
  });

  test("is no more good once it is removed, whatever the token's kid says", async () => {
    const { token } = await open({ secrets: [older] }).sign("alex");
    expect(await refusal(open(), token)).toBe(plain);
    const { kid } = decodeProtectedHeader((await open().sign("alex")).token);
    expect(await refusal(open(), await signed(good, bytes(older), { kid }))).toBe(plain);
  });

  test("says that a token has expired, too, which of them ever has signed it", async () => {
    const tokens = open({ secrets: [secret, older] });
    for (const one of [secret, older])
      expect(await refusal(tokens, await signed({ sub: "alex", exp: second - 60 }, bytes(one)))).toMatch(
        /expired/,
      );
  });

  test("may sign elsewhere, with a kid of its own or none", async () => {
    const tokens = open({ secrets: [secret, older] });
    for (const header of [{}, { kid: "theirs" }])
      for (const one of [secret, older])
        expect((await tokens.verify(await signed(good, bytes(one), header))).user).toBe("alex");
  });
});

describe("claims", () => {
  const day = 86_400;
  test.each<[string, Record<string, unknown>]>([
    ["a user of 24 hex characters in upper case", { ...good, sub: "638F394D4B7243FC0399EA67" }],
    ["our audience among others", { ...good, aud: ["else", "belfry"] }],
    ["nbf within 5 s", { ...good, nbf: second + 5 }],
    ["24 hours", { ...good, iat: second, exp: second + day }],
    ["iat a little ahead", { ...good, iat: second + 3 }],
    ["claims of its own", { ...good, jti: "1", role: "admin" }],
  ])("%s: taken", async (_what, claims) => {
    const { user } = await open().verify(await signed(claims));
    expect(user).toBe(String(claims.sub).toLowerCase());
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    ["no exp", { sub: "alex" }, /exp is missing/],
    ["no sub", { exp: second + 60 }, /sub is missing/],
    ["an empty sub", { ...good, sub: "" }, /sub must be/],
    ["a sub of 129 characters", { ...good, sub: "x".repeat(129) }, /sub must be/],
    ["a number as sub", { ...good, sub: 4 }, /sub must be/],
    ["several subs", { ...good, sub: ["alex", "bob"] }, /sub must be/],
    ["exp as text", { ...good, exp: `${second + 60}` }, /exp is missing or wrong/],
    ["exp in milliseconds", { ...good, exp: start + 60_000 }, /exp must be at most 24 hours/],
    ["exp beyond all", { ...good, exp: 1e300 }, /exp must be at most 24 hours/],
    ["25 hours", { ...good, iat: second, exp: second + day + 3_600 }, /exp must be at most 24 hours/],
    [
      "25 hours of which some are over",
      { ...good, iat: second - 7_200, exp: second + day - 3_600 },
      /24 hours/,
    ],
    [
      "25 hours from a start in the future",
      { ...good, iat: second + 9_999, exp: second + day + 3_600 },
      /24 hours/,
    ],
    ["another audience", { ...good, aud: "else" }, /aud must be belfry/],
    ["other audiences", { ...good, aud: ["belfry2", "else"] }, /aud must be belfry/],
    ["null as audience", { ...good, aud: null }, /aud must be belfry/],
    ["nbf ahead", { ...good, nbf: second + 6 }, /nbf is in the future/],
    ["nbf as text", { ...good, nbf: "soon" }, /nbf/],
    ["expired 5 s ago", { ...good, exp: second - 5 }, /expired/],
  ])("%s: refused, and it says why", async (_what, claims, why) => {
    expect(await refusal(open(), await signed(claims))).toMatch(why);
  });

  test("what is wrong with a token is told to nobody who has not signed it", async () => {
    for (const claims of [{ sub: "alex" }, { ...good, exp: second - 60 }, { ...good, aud: "else" }])
      expect(await refusal(open(), await signed(claims, bytes(older)))).toBe(plain);
  });
});

describe("what is no token", () => {
  test("no character of a token can be changed", async () => {
    const tokens = open();
    const token = await signed(good);
    for (let n = 0; n < token.length; n++)
      for (const other of ["A", "b", "_", "."]) {
        const changed = token.slice(0, n) + other + token.slice(n + 1);
        // The last character of a part carries bits that mean nothing; only a part that means the same may pass.
        const same = Buffer.from(changed.split(".")[2] ?? "", "base64url").equals(
          Buffer.from(token.split(".")[2] as string, "base64url"),
        );
        if (changed !== token && !(same && n > token.lastIndexOf(".")))
          expect(await refusal(tokens, changed)).toBe(plain);
      }
  });

  test("another user's name under the same signature is refused", async () => {
    const [head, , signature] = (await signed(good)).split(".");
    const claims = Buffer.from(JSON.stringify({ ...good, sub: "bob" })).toString("base64url");
    expect(await refusal(open(), `${head}.${claims}.${signature}`)).toBe(plain);
  });

  test("alg none is refused, in every spelling and with and without a signature", async () => {
    const tokens = open();
    expect(await refusal(tokens, new UnsecuredJWT(good).encode())).toBe(plain);
    const claims = Buffer.from(JSON.stringify(good)).toString("base64url");
    for (const alg of [
      "none",
      "None",
      "NONE",
      "nOnE",
      "",
      undefined,
      null,
      ["HS256"],
      { a: 1 },
      "hs256",
      "HS256 ",
    ]) {
      const head = Buffer.from(JSON.stringify({ alg })).toString("base64url");
      const signature = createHmac("sha256", secret).update(`${head}.${claims}`).digest("base64url");
      for (const end of ["", signature])
        expect(await refusal(tokens, `${head}.${claims}.${end}`)).toBe(plain);
    }
  });

  test("other algorithms with the right secret are refused", async () => {
    for (const alg of ["HS384", "HS512"])
      expect(await refusal(open(), await signed(good, bytes(secret.repeat(2)), { alg }))).toBe(plain);
  });

  test("extensions that must be understood are refused", async () => {
    const claims = Buffer.from(JSON.stringify(good)).toString("base64url");
    for (const more of [
      { crit: ["exp"], exp: 1 },
      { crit: ["b64"], b64: false },
    ]) {
      const head = Buffer.from(JSON.stringify({ alg: "HS256", ...more })).toString("base64url");
      const signature = createHmac("sha256", secret).update(`${head}.${claims}`).digest("base64url");
      expect(await refusal(open(), `${head}.${claims}.${signature}`)).toBe(plain);
    }
  });

  test("garbage of every kind is refused", async () => {
    const token = await signed(good);
    const text = (claims: string) => Buffer.from(claims).toString("base64url");
    const head = text('{"alg":"HS256"}');
    const by = (claims: string) =>
      `${head}.${claims}.${createHmac("sha256", secret).update(`${head}.${claims}`).digest("base64url")}`;
    for (const one of [
      "",
      ".",
      "..",
      "...",
      "a.b.c",
      "Bearer",
      `${token}.`,
      `.${token}`,
      ` ${token}`,
      token.slice(0, -1),
      token.split(".").slice(0, 2).join("."),
      `${text("{}")}.${text("{}")}.`,
      `${text("null")}.${text("{}")}.x`,
      `${text('{"alg":"HS256","__proto__":{"alg":"none"}}')}.x.y`,
      by(text("")),
      by(text("null")),
      by(text("[]")),
      by(text('"alex"')),
      by(text("{")),
      by("\u{1f388}"),
      "\u{1f388}.\u0000.\ud800",
      "x".repeat(8_193),
      "x.".repeat(4_000),
    ])
      expect(await refusal(open(), one)).toBe(plain);
    const long = await signed({ ...good, more: "x".repeat(8_192) });
    expect(await refusal(open(), long)).toBe(plain);
  });
});

describe("a program's own key", () => {
  const pem = (key: KeyObject) => key.export({ type: "spki", format: "pem" }) as string;
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
  const ed = generateKeyPairSync("ed25519");

  test.each([
    ["RS256", rsa],
    ["PS256", rsa],
    ["ES256", p256],
    ["ES384", p384],
    ["EdDSA", ed],
    ["Ed25519", ed],
  ])("%s: taken, also from a PEM on one line, and with a kid", async (alg, { privateKey, publicKey }) => {
    const token = await signed({ ...good, aud: "belfry" }, privateKey, { alg, kid: "theirs" });
    for (const text of [pem(publicKey), pem(publicKey).trim().replaceAll("\n", "\\n")]) {
      const { user, expiresAt } = await open({ secrets: [], publicKey: text }).verify(token);
      expect([user, expiresAt]).toStrictEqual(["alex", (good.exp + 5) * 1000]);
      // Beside ours.
      const both = open({ publicKey: text });
      expect((await both.verify(token)).user).toBe("alex");
      expect((await both.verify((await both.sign("bob")).token)).user).toBe("bob");
    }
  });

  const own = (claims: Record<string, unknown>) =>
    signed({ ...good, aud: "belfry", ...claims }, p256.privateKey, { alg: "ES256" });

  test("refuses a token without exp", async () => {
    const tokens = open({ secrets: [], publicKey: pem(p256.publicKey) });
    expect(await refusal(tokens, await own({ exp: undefined }))).toMatch(/exp is missing/);
  });

  test("refuses a token that is for somebody else or for nobody in particular", async () => {
    const tokens = open({ publicKey: pem(p256.publicKey) });
    for (const aud of [undefined, "", "billing", [], ["billing"], null, 5, { belfry: true }, "BELFRY"])
      expect(await refusal(tokens, await own({ aud })), String(aud)).toMatch(/^The token's aud /);
    for (const aud of ["belfry", ["billing", "belfry"]])
      expect((await tokens.verify(await own({ aud }))).user).toBe("alex");
  });

  test("the audience can be another name, in the tokens that we sign too", async () => {
    const tokens = open({ publicKey: pem(p256.publicKey), audience: "notify.example" });
    expect(await refusal(tokens, await own({}))).toMatch(/aud must be notify\.example/);
    expect((await tokens.verify(await own({ aud: "notify.example" }))).user).toBe("alex");
    const { token } = await tokens.sign("bob");
    expect(decodeJwt(token).aud).toBe("notify.example");
    expect((await tokens.verify(token)).user).toBe("bob");
  });

  test("refuses a token that is valid for longer than an hour, unless TOKEN_MAX_SECONDS says so", async () => {
    const tokens = open({ secrets: [], publicKey: pem(p256.publicKey) });
    const issued = (iat: number | undefined, exp: number) =>
      own({ ...(iat !== undefined && { iat: second + iat }), exp: second + exp });
    for (const [iat, exp] of [
      [undefined, 3_600],
      [0, 3_600],
      [-60, 3_540],
      // The signer's clock is a little ahead of ours.
      [3, 3_603],
    ] as const)
      expect((await tokens.verify(await issued(iat, exp))).user).toBe("alex");
    for (const [iat, exp] of [
      [undefined, 3_700],
      [0, 86_400],
      [-3_600, 60],
      [3_600, 7_200],
    ] as const)
      expect(await refusal(tokens, await issued(iat, exp))).toMatch(/3600 seconds \(TOKEN_MAX_SECONDS\)/);
    const longer = open({ secrets: [], publicKey: pem(p256.publicKey), maxSeconds: 86_400 });
    expect((await longer.verify(await issued(0, 86_400))).user).toBe("alex");
    expect(await refusal(longer, await issued(0, 90_000))).toMatch(/86400/);
  });

  test("another key, or another algorithm of the same kind, is refused", async () => {
    const other = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const tokens = open({ secrets: [], publicKey: pem(p256.publicKey) });
    expect(await refusal(tokens, await signed(good, other.privateKey, { alg: "ES256" }))).toBe(plain);
    expect(await refusal(tokens, await signed(good, p384.privateKey, { alg: "ES384" }))).toBe(plain);
    const withRsa = open({ secrets: [], publicKey: pem(rsa.publicKey) });
    for (const alg of ["RS384", "RS512", "PS512"])
      expect(await refusal(withRsa, await signed(good, rsa.privateKey, { alg }))).toBe(plain);
  });

  test("what is signed by HS256 with the public key as secret is refused, in every form of that key", async () => {
    for (const { publicKey } of [rsa, p256, ed]) {
      const text = pem(publicKey);
      const der = publicKey.export({ type: "spki", format: "der" });
      const forms = [text, text.trim(), text.replaceAll("\n", "\\n"), der, der.toString("base64")];
      for (const tokens of [open({ secrets: [], publicKey: text }), open({ publicKey: text })])
        for (const form of forms) {
          const head = Buffer.from('{"alg":"HS256"}').toString("base64url");
          const claims = Buffer.from(JSON.stringify(good)).toString("base64url");
          const signature = createHmac("sha256", form).update(`${head}.${claims}`).digest("base64url");
          expect(await refusal(tokens, `${head}.${claims}.${signature}`)).toBe(plain);
        }
    }
  });

  test("nor are HS256 tokens taken where there is only a public key", async () => {
    expect(await refusal(open({ secrets: [], publicKey: pem(rsa.publicKey) }), await signed(good))).toBe(
      plain,
    );
  });

  test("no key in a token's own header is believed", async () => {
    const other = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const jwk = other.publicKey.export({ format: "jwk" });
    const tokens = open({ secrets: [], publicKey: pem(p256.publicKey) });
    const header = { alg: "ES256", jwk, jku: "https://keys.example/", x5u: "https://keys.example/" };
    expect(await refusal(tokens, await signed(good, other.privateKey, header))).toBe(plain);
  });
});

describe("POST /v1/users/{id}/token", () => {
  const { uri } = freshDatabase();
  const key = "a-key-of-more-than-16-characters";
  const bearer = { authorization: `Bearer ${key}` };
  const start = (more: Record<string, string> = {}) =>
    startService({ DB_URI: uri, API_KEYS: key, TOKEN_SECRET: secret, ...more });

  test("answers 201 with a token of the user, and when it ends; nobody may keep the answer", async () => {
    const app = await start({ TOKEN_TTL_SECONDS: "60" });
    for (const [body, ttl] of [
      [undefined, 60],
      [{}, 60],
      [{ ttl_seconds: 10 }, 10],
      [{ ttl_seconds: 86_400 }, 86_400],
    ] as const) {
      const {
        status,
        body: answer,
        headers,
      } = await call(app.url, "POST", "/v1/users/alex/token", body, bearer);
      expect([status, headers.get("cache-control")]).toStrictEqual([201, "no-store"]);
      expect(Object.keys(answer).sort()).toStrictEqual(["expires_at", "token"]);
      const { sub, iat = 0, exp = 0 } = decodeJwt(answer.token);
      expect([sub, exp - iat]).toStrictEqual(["alex", ttl]);
      expect(answer.expires_at).toBe(new Date(exp * 1000).toISOString());
    }
  });

  test("the id in the path is any user's, of 1 to 128 characters", async () => {
    const app = await start();
    const post = (id: string) => call(app.url, "POST", `/v1/users/${id}/token`, {}, bearer);
    for (const [id, user] of [
      ["638F394D4B7243FC0399EA67", "638f394d4b7243fc0399ea67"],
      ["4", "4"],
      ["a%2Fb%20%C3%BC", "a/b ü"],
      ["x".repeat(128), "x".repeat(128)],
    ] as const)
      expect(decodeJwt((await post(id)).body.token).sub).toBe(user);
    const { status, body } = await post("x".repeat(129));
    expect([status, body.code]).toStrictEqual([400, "invalid_request"]);
  });

  test("a wrong body is 400 and points at what is wrong", async () => {
    const app = await start();
    for (const [body, pointer] of [
      [{ ttl_seconds: 9 }, "/ttl_seconds"],
      [{ ttl_seconds: 86_401 }, "/ttl_seconds"],
      [{ ttl_seconds: 60.5 }, "/ttl_seconds"],
      [{ ttl_seconds: "60" }, "/ttl_seconds"],
      [{ ttl: 60 }, "/ttl"],
      [[], ""],
    ] as const) {
      const answer = await call(app.url, "POST", "/v1/users/alex/token", body, bearer);
      expect([answer.status, answer.body.code], JSON.stringify(body)).toStrictEqual([400, "invalid_request"]);
      expect(answer.body.errors[0].pointer).toBe(pointer);
    }
  });

  test("without TOKEN_SECRET it says what to set, a public key or not", async () => {
    const publicKey = generateKeyPairSync("ed25519").publicKey.export({
      type: "spki",
      format: "pem",
    }) as string;
    for (const more of [{}, { TOKEN_PUBLIC_KEY: publicKey }]) {
      const app = await startService({ DB_URI: uri, API_KEYS: key, ...more });
      const { status, body } = await call(app.url, "POST", "/v1/users/alex/token", {}, bearer);
      expect([status, body.code]).toStrictEqual([409, "tokens_off"]);
      expect(body.detail).toContain("TOKEN_SECRET");
    }
  });

  test("a token does not make another one", async () => {
    const app = await start();
    const { body } = await call(app.url, "POST", "/v1/users/alex/token", {}, bearer);
    const again = await call(
      app.url,
      "POST",
      "/v1/users/alex/token",
      {},
      {
        authorization: `Bearer ${body.token}`,
      },
    );
    expect([again.status, again.body.code]).toStrictEqual([403, "forbidden"]);
  });
});
