import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { BelfryError } from "../../model/errors.ts";
import { publicError, sendProblem } from "../errors.ts";

/** Options of a route whose body names many users: their ids need more than other bodies. */
export const largeBody = (mebibytes: number) => ({
  bodyLimit: mebibytes * 1024 * 1024,
  errorHandler: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) =>
    sendProblem(isTooLarge(error) ? tooLarge(mebibytes) : error, request, reply),
});

const isTooLarge = (error: FastifyError) => publicError(error).code === "payload_too_large";
const tooLarge = (mebibytes: number) =>
  new BelfryError("payload_too_large", `The body is over ${mebibytes} MiB.`);
