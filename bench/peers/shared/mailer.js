import { ObjectId } from "mongodb";
import nodemailer from "nodemailer";

const { SMTP_HOST, SMTP_PORT, SMTP_EMAIL, SMTP_NAME, SMTP_CONNECTIONS } = process.env;

/** Sends the mail of a notification. The Message-ID is the notification's, so that a mail sent twice can be recognised. */
export function createMailer(db) {
  const users = db.collection("users");
  const transport = nodemailer.createTransport({
    pool: true,
    host: SMTP_HOST,
    port: Number(SMTP_PORT),
    maxConnections: Number(SMTP_CONNECTIONS),
    maxMessages: 1000,
  });
  return {
    async send({ id, user_id, key }) {
      const user = await users.findOne({ _id: new ObjectId(user_id) }, { projection: { email: 1 } });
      await transport.sendMail({
        from: { name: SMTP_NAME, address: SMTP_EMAIL },
        to: user.email,
        messageId: `<${id}@${SMTP_EMAIL.split("@")[1]}>`,
        subject: `Notification: ${key}`,
        text: `You have a new notification: ${key}\n`,
        html: `<p>You have a new notification: <b>${key}</b></p>\n`,
      });
    },
    close: () => transport.close(),
  };
}
