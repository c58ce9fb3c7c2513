import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { BelfryError } from "../../model/errors.ts";
import { publicError, sendProblem } from "../errors.ts";

/** Options of a route whose body names up to 1,000 users: their ids need more than other bodies. */
export const manyUsersBody = {
  bodyLimit: 1024 * 1024,
  errorHandler: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) =>
    sendProblem(isTooLarge(error) ? tooLarge() : error, request, reply),
};

const isTooLarge = (error: FastifyError) => publicError(error).code === "payload_too_large";
const tooLarge = () => new BelfryError("payload_too_large", "The body is over 1 MiB.");
