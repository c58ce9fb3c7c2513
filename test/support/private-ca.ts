import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const path = (name: string) => fileURLToPath(new URL(`private-ca/${name}`, import.meta.url));

/** A certificate for localhost and 127.0.0.1 until 2120, signed by an authority that no machine knows. */
export const privateCertificate = {
  cert: readFileSync(path("server.pem")),
  key: readFileSync(path("server-key.pem")),
};

/** That authority's certificate, for `NODE_EXTRA_CA_CERTS`. */
export const authorityFile = path("authority.pem");
