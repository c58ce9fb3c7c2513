import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { type Moved, MovedDto, type WrittenMove } from "../../core/virtual-time.ts";
import { BelfryError } from "../../model/errors.ts";
import { iso, Time } from "../../model/schema.ts";
import type { Store } from "../../store/index.ts";

const path = "/v1/test/clock";
const tags = ["test"];

const ClockDto = Type.Object(
  { now: Time(), virtual: Type.Boolean({ description: "Whether it can be moved: `CLOCK=virtual`." }) },
  { title: "Clock" },
);

const MoveBody = Type.Object(
  {
    advance: Type.Optional(
      Type.String({ maxLength: 16, description: "A number and s, m, h, d or w, such as 3d." }),
    ),
    to: Type.Optional(
      Type.String({ maxLength: 64, description: "ISO 8601 with a time zone, or Unix milliseconds." }),
    ),
  },
  { additionalProperties: false },
);

/** The clock of this process. `moveClock`: in virtual time. */
export function testClockRoutes(
  app: FastifyInstance,
  { now }: Pick<Store, "now">,
  moveClock: ((written: WrittenMove) => Promise<Moved>) | undefined,
): void {
  app.get(
    path,
    { schema: { tags, summary: "Show the clock of this process", response: { 200: ClockDto } } },
    async () => ({ now: iso(now()), virtual: moveClock !== undefined }),
  );

  app.post<{ Body: WrittenMove }>(
    path,
    {
      schema: {
        tags,
        summary: "Move the virtual clock",
        description:
          "Takes either `advance` or `to`. Everything that is due on the way is done in its order and at its time; the answer " +
          "comes when it is done. Only with `CLOCK=virtual`.",
        body: MoveBody,
        response: { 200: MovedDto },
      },
    },
    async ({ body }) => {
      if (!moveClock) throw new BelfryError("clock_real");
      return moveClock(body);
    },
  );
}
