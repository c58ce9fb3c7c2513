import type { SendError } from "../model/delivery.ts";

/** Node's and OpenSSL's codes for a certificate that is not accepted, and their words where a library drops the code. */
const badCertificate =
  /CERT_|_CERT|UNABLE_TO_(GET|VERIFY|DECODE|DECRYPT)|HOSTNAME_MISMATCH|INVALID_CA|self-signed certificate|unable to (get|verify)[\w ]* certificate|certificate (has expired|is not)|altnames/i;

/** The meaning of a failure that is about the server's certificate, or undefined. `address`: the variable that names the server. */
export function certificateRefusal(
  code: string,
  text: string,
  address: string,
): SendError["outcome"] | undefined {
  const said = `${code} ${text}`;
  if (!badCertificate.test(said)) return undefined;
  const remedy = /expired/i.test(said)
    ? "The server's certificate has expired: renew it."
    : /altname|hostname/i.test(said)
      ? `Set ${address} to a name that the server's certificate holds.`
      : "Set NODE_EXTRA_CA_CERTS to a file with the certificate of the authority that signed the server's, and restart.";
  return { kind: "misconfigured", code, text: `certificate not trusted: ${text}`, remedy };
}
