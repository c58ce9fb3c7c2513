import Fastify from "fastify";
import { MongoClient, ObjectId } from "mongodb";

const { DB_URI, EMAIL, PORT } = process.env;
const inboxLimit = 100;

const types = {
  registration: { inbox: false, mail: true },
  new_message: { inbox: true, mail: false },
  new_post: { inbox: true, mail: false },
  new_login: { inbox: true, mail: true },
};

const hex24 = { type: "string", pattern: "^[0-9a-fA-F]{24}$" };
const createBody = {
  type: "object",
  required: ["user_id", "key"],
  additionalProperties: false,
  properties: {
    user_id: hex24,
    key: { enum: Object.keys(types) },
    target_id: hex24,
    data: { type: "object" },
  },
};
const listQuery = {
  type: "object",
  required: ["user_id"],
  properties: {
    user_id: hex24,
    skip: { type: "integer", minimum: 0, default: 0 },
    limit: { type: "integer", minimum: 0, maximum: 1000, default: 10 },
  },
};

export const connect = () => MongoClient.connect(DB_URI, { w: "majority" });

/**
 * The API: stores the notification in the user's document, then queues its mail. A caller that retries sends the same
 * `Idempotency-Key`, which becomes the id of both.
 */
export async function startService(client, queueMail, closeQueue) {
  const users = client.db().collection("users");
  const app = Fastify();

  app.setErrorHandler((error, _request, reply) => {
    const status = error.statusCode ?? 503;
    reply.code(status).send({ success: false, error: { code: error.code, message: error.message } });
  });

  app.post("/create", { schema: { body: createBody } }, async (request, reply) => {
    const { user_id, key, target_id, data } = request.body;
    const id = request.headers["idempotency-key"] ?? new ObjectId().toHexString();
    if (types[key].inbox) {
      const timestamp = Math.floor(Date.now() / 1000);
      await store({ id, timestamp, is_new: true, user_id, key, target_id, data });
    }
    if (types[key].mail) await queueMail({ id, user_id, key });
    return reply.code(201).send({ success: true });
  });

  app.get("/list", { schema: { querystring: listQuery } }, async (request) => {
    const { user_id, skip, limit } = request.query;
    const user = await users.findOne({ _id: new ObjectId(user_id) }, { projection: { notifications: 1 } });
    const all = user?.notifications ?? [];
    return {
      success: true,
      data: {
        elements: all.length,
        new: all.filter((one) => one.is_new).length,
        request: { user_id, skip, limit },
        list: all.slice(skip, skip + limit),
      },
    };
  });

  async function store(item) {
    const filter = { _id: new ObjectId(item.user_id), "notifications.id": { $ne: item.id } };
    const update = {
      $push: { notifications: { $each: [item], $position: 0, $slice: inboxLimit } },
      $setOnInsert: { email: EMAIL },
    };
    try {
      await users.updateOne(filter, update, { upsert: true });
    } catch (error) {
      if (error.code !== 11000) throw error;
      // Either the item is there already (a retry), or another request has just created the user.
      await users.updateOne(filter, { $push: update.$push });
    }
  }

  process.once("SIGTERM", async () => {
    await app.close();
    await closeQueue();
    await client.close();
  });
  await app.listen({ port: Number(PORT), host: "127.0.0.1" });
}
