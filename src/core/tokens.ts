import { createHash, createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import { BelfryError } from "../model/errors.ts";
import { canonicalUser, isUserId } from "../model/user-id.ts";

/** What a good token says. */
export interface TokenHolder {
  user: string;
  /** Unix milliseconds; from then on the token is refused. */
  expiresAt: number;
}

export interface Tokens {
  /** A token of this user, by default for the configured time. `expiresAt`: Unix milliseconds. Rejects with `tokens_off`. */
  sign(user: string, ttlSeconds?: number): Promise<{ token: string; expiresAt: number }>;
  /** Rejects with `unauthorized`. What is wrong is told to those alone whose token is signed well. */
  verify(token: string): Promise<TokenHolder>;
}

const audience = "belfry";
const maxCharacters = 8_192;
const maxLifetimeSeconds = 86_400;
/** Between the clock of whoever signed and MongoDB's. */
const toleranceSeconds = 5;

/**
 * The caller's own key, a PEM whose line ends may be written as `\n`, and the algorithms that fit it: never HS256, so that
 * nobody signs with the public key as secret. Throws an `Error` that ends a sentence about the variable.
 */
export function readPublicKey(pem: string): { key: KeyObject; algorithms: string[] } {
  const text = pem.replaceAll("\\n", "\n");
  // `createPublicKey` would make one of a private key and of a certificate, too.
  if (/PRIVATE KEY/.test(text)) throw new Error("is a private key, which belongs to your program alone");
  if (!text.startsWith("-----BEGIN PUBLIC KEY-----"))
    throw new Error("must be a PEM that begins with -----BEGIN PUBLIC KEY-----");
  const key = parsed(text);
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === "rsa" && modulusLength >= 2_048)
    return { key, algorithms: ["RS256", "PS256"] };
  if (namedCurve === "prime256v1") return { key, algorithms: ["ES256"] };
  if (namedCurve === "secp384r1") return { key, algorithms: ["ES384"] };
  if (key.asymmetricKeyType === "ed25519") return { key, algorithms: ["EdDSA", "Ed25519"] };
  throw new Error("must be RSA of 2048 bits or more, EC on P-256 or P-384, or Ed25519");
}

function parsed(pem: string): KeyObject {
  try {
    return createPublicKey(pem);
  } catch {
    throw new Error("is cut short or damaged: no key can be read from it");
  }
}

/**
 * Users' tokens: JWTs whose `sub` is the user. `secrets`: the first signs, all are good. `publicKey`: that of a program which
 * signs its own. `now`: Unix milliseconds.
 */
export function createTokens(options: {
  secrets: string[];
  publicKey?: string | undefined;
  ttlSeconds: number;
  now: () => number;
}): Tokens {
  const { secrets, publicKey, ttlSeconds, now } = options;
  const own = secrets.map((secret) => ({
    key: createSecretKey(secret, "utf8"),
    algorithms: ["HS256"],
    kid: createHash("sha256").update(secret).digest("base64url").slice(0, 8),
  }));
  const [signer] = own;
  const keys: Array<{ key: KeyObject; algorithms: string[]; kid?: string }> = [...own];
  if (publicKey !== undefined) keys.push(readPublicKey(publicKey));

  /** Those of the header's algorithm; among them the one that it names, if it names one of ours. */
  async function candidates(token: string): Promise<typeof keys> {
    const { decodeProtectedHeader } = await import("jose/decode/protected_header");
    try {
      const { alg = "", kid } = decodeProtectedHeader(token);
      const fitting = keys.filter((one) => one.algorithms.includes(alg));
      const named = fitting.filter((one) => one.kid !== undefined && one.kid === kid);
      return named.length > 0 ? named : fitting;
    } catch {
      return [];
    }
  }

  return {
    async sign(user, ttl = ttlSeconds) {
      if (!signer) throw new BelfryError("tokens_off");
      const { SignJWT } = await import("jose/jwt/sign");
      const issued = Math.floor(now() / 1000);
      const token = await new SignJWT({
        sub: canonicalUser(user),
        aud: audience,
        iat: issued,
        exp: issued + ttl,
      })
        .setProtectedHeader({ alg: "HS256", typ: "JWT", kid: signer.kid })
        .sign(signer.key);
      return { token, expiresAt: (issued + ttl) * 1000 };
    },

    async verify(token) {
      // Without keys `jose` is not even loaded.
      if (keys.length === 0 || token.length > maxCharacters) throw new BelfryError("unauthorized");
      const { jwtVerify } = await import("jose/jwt/verify");
      for (const { key, algorithms } of await candidates(token)) {
        try {
          const { payload } = await jwtVerify(token, key, {
            algorithms,
            requiredClaims: ["sub", "exp"],
            currentDate: new Date(now()),
            clockTolerance: toleranceSeconds,
          });
          return holderOf(payload, now() / 1000);
        } catch (error) {
          if ((error as { code?: unknown }).code !== "ERR_JWS_SIGNATURE_VERIFICATION_FAILED")
            throw refusalOf(error);
        }
      }
      throw new BelfryError("unauthorized");
    },
  };
}

function holderOf(
  payload: { sub?: unknown; aud?: unknown; iat?: unknown; exp?: unknown },
  now: number,
): TokenHolder {
  const { sub, aud, iat, exp } = payload;
  if (typeof sub !== "string" || !isUserId(sub)) throw wrongClaim("sub", "must be a user's id");
  if (aud !== undefined && ![aud].flat().includes(audience)) throw wrongClaim("aud", `is not ${audience}`);
  const since = typeof iat === "number" ? Math.min(iat, now) : now;
  const until = exp as number;
  if (until - since > maxLifetimeSeconds) throw wrongClaim("exp", "must be 24 hours away at most");
  return { user: canonicalUser(sub), expiresAt: (until + toleranceSeconds) * 1000 };
}

function refusalOf(error: unknown): BelfryError {
  if (error instanceof BelfryError) return error;
  const { code, claim = "" } = error as { code?: string; claim?: string };
  if (code === "ERR_JWT_EXPIRED")
    return new BelfryError("unauthorized", "The token has expired: ask for a new one.");
  if (code === "ERR_JWT_CLAIM_VALIDATION_FAILED")
    return wrongClaim(
      claim,
      claim === "nbf" ? "lies ahead: the token is not good yet" : "is missing or wrong",
    );
  return new BelfryError("unauthorized");
}

const wrongClaim = (claim: string, problem: string): BelfryError =>
  new BelfryError("unauthorized", `The token's ${claim} ${problem}.`);
