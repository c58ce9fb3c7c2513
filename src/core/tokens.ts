import { createHash, createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import { BelfryError } from "../model/errors.ts";
import { canonicalUser, isUserId } from "../model/user-id.ts";

/** The content of a valid token. */
export interface TokenHolder {
  user: string;
  /** Unix milliseconds; from then on the token is refused. */
  expiresAt: number;
}

export interface Tokens {
  /**
   * Makes a token for this user, by default for the configured time. `expiresAt`: Unix milliseconds. Rejects with
   * `tokens_off`.
   */
  sign(user: string, ttlSeconds?: number): Promise<{ token: string; expiresAt: number }>;
  /** Rejects with `unauthorized`. The error tells what else is wrong only when the signature is right. */
  verify(token: string): Promise<TokenHolder>;
}

const maxCharacters = 8_192;
/** The longest life of a token that we sign. */
const ownMaxSeconds = 86_400;
/** How far the signer's clock may differ from MongoDB's. */
const toleranceSeconds = 5;

/**
 * Reads the public key of the operator's own program: a PEM whose line ends may be written as `\n`. Returns it with
 * the algorithms that fit it, never HS256, so that nobody can sign with the public key as a secret. Throws an `Error`
 * whose message completes a sentence that begins with the variable's name.
 */
export function readPublicKey(pem: string): { key: KeyObject; algorithms: string[] } {
  const text = pem.replaceAll("\\n", "\n");
  // `createPublicKey` would also accept a private key and a certificate.
  if (/PRIVATE KEY/.test(text))
    throw new Error("is a private key: give the public key, and keep the private one in your program");
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
    throw new Error("cannot be read: the key is cut short or damaged");
  }
}

interface Key {
  key: KeyObject;
  algorithms: string[];
  /** The operator's program signs with this key, not Belfry. */
  theirs: boolean;
  kid?: string;
}

/**
 * Users' tokens: JWTs whose `sub` is the user. `secrets`: the first one signs, all verify. `publicKey`: the key of a
 * program that signs tokens itself; its tokens must name our `audience` and live at most `maxSeconds`. `now`: Unix
 * milliseconds.
 */
export function createTokens(options: {
  secrets: string[];
  publicKey?: string | undefined;
  audience?: string;
  maxSeconds?: number;
  ttlSeconds: number;
  now: () => number;
}): Tokens {
  const { secrets, publicKey, audience = "belfry", maxSeconds = 3_600, ttlSeconds, now } = options;
  const own = secrets.map((secret) => ({
    key: createSecretKey(secret, "utf8"),
    algorithms: ["HS256"],
    theirs: false,
    kid: createHash("sha256").update(secret).digest("base64url").slice(0, 8),
  }));
  const [signer] = own;
  const keys: Key[] = [...own];
  if (publicKey !== undefined) keys.push({ ...readPublicKey(publicKey), theirs: true });

  /** The keys that fit the header's algorithm; if its `kid` is one of ours, only that one. */
  async function candidates(token: string): Promise<Key[]> {
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
      // Without keys `jose` is not loaded at all.
      if (keys.length === 0 || token.length > maxCharacters) throw new BelfryError("unauthorized");
      const { jwtVerify } = await import("jose/jwt/verify");
      for (const { key, algorithms, theirs } of await candidates(token)) {
        try {
          const { payload } = await jwtVerify(token, key, {
            algorithms,
            requiredClaims: theirs ? ["sub", "exp", "aud"] : ["sub", "exp"],
            currentDate: new Date(now()),
            clockTolerance: toleranceSeconds,
          });
          const limit = theirs
            ? { seconds: maxSeconds, words: `${maxSeconds} seconds (TOKEN_MAX_SECONDS)` }
            : { seconds: ownMaxSeconds, words: "24 hours" };
          return holderOf(payload, { audience, limit, now: now() / 1000 });
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
  { sub, aud, iat, exp }: { sub?: unknown; aud?: unknown; iat?: unknown; exp?: unknown },
  { audience, limit, now }: { audience: string; limit: { seconds: number; words: string }; now: number },
): TokenHolder {
  if (typeof sub !== "string" || !isUserId(sub)) throw wrongClaim("sub", "must be a user's id");
  if (aud !== undefined && ![aud].flat().includes(audience))
    throw wrongClaim("aud", `must be ${audience} (TOKEN_AUDIENCE)`);
  const since = typeof iat === "number" ? Math.min(iat, now) : now;
  const until = exp as number;
  // `since` may be the signer's clock.
  if (until - since > limit.seconds + toleranceSeconds)
    throw wrongClaim("exp", `must be at most ${limit.words} after it was issued`);
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
      claim === "nbf" ? "is in the future: the token is not valid yet" : "is missing or wrong",
    );
  return new BelfryError("unauthorized");
}

const wrongClaim = (claim: string, problem: string): BelfryError =>
  new BelfryError("unauthorized", `The token's ${claim} ${problem}.`);
