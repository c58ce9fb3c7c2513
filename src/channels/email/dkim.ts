import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";

/** A signature for every mail (RFC 6376). */
export interface DkimOptions {
  domain: string;
  selector: string;
  key: KeyObject;
}

/**
 * The signed headers. nodemailer's own list lacks `List-Unsubscribe-Post`, and without a signature over it mail programs
 * show no button (RFC 8058, section 4).
 */
export const signedHeaders = [
  "From",
  "Reply-To",
  "Subject",
  "Date",
  "Message-ID",
  "To",
  "MIME-Version",
  "Content-Type",
  "Content-Transfer-Encoding",
  "Auto-Submitted",
  "List-Id",
  "List-Unsubscribe",
  "List-Unsubscribe-Post",
].join(":");

/** Receivers ignore shorter keys (RFC 8301), and 2048 is what it recommends. */
const leastBits = 1_024;
export const goodBits = 2_048;

/**
 * Reads the private key: a PEM whose line ends may be written as `\n`. nodemailer signs with RSA only; with any other key
 * it would send without a signature. Throws an `Error` whose message completes a sentence that begins with the variable's
 * name.
 */
export function readDkimKey(pem: string): KeyObject {
  const text = pem.replaceAll("\\n", "\n").trim();
  if (/^-----BEGIN (RSA )?PUBLIC KEY-----/.test(text))
    throw new Error("is a public key: give the private key, and publish the public one in DNS");
  if (!/^-----BEGIN (RSA )?PRIVATE KEY-----/.test(text))
    throw new Error(
      "must be a PEM that begins with -----BEGIN PRIVATE KEY----- or -----BEGIN RSA PRIVATE KEY-----",
    );
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch {
    throw new Error("cannot be read: the key is cut short, damaged or encrypted");
  }
  if (key.asymmetricKeyType !== "rsa" || bitsOf(key) < leastBits)
    throw new Error(`must be RSA of ${goodBits} bits, at least ${leastBits}`);
  return key;
}

export const bitsOf = (key: KeyObject): number => key.asymmetricKeyDetails?.modulusLength ?? 0;

/** The public key as the DNS record has it. */
export const publicPart = (key: KeyObject): string =>
  createPublicKey(key).export({ type: "spki", format: "der" }).toString("base64");
