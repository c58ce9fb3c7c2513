import { SignJWT } from "jose";

export const key = "a-key-of-sixteen-characters";
export const secret = "a-secret-of-more-than-32-characters";

/** A user's token as the service makes them; it ends `seconds` from now. */
export const token = (user: string, seconds = 600, signedWith = secret): Promise<string> =>
  new SignJWT({ sub: user, aud: "belfry", iat: Math.floor(Date.now() / 1000) - 60 })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
    .sign(new TextEncoder().encode(signedWith));
