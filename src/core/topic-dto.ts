import { type Static, Type } from "typebox";
import { iso, Time } from "../model/schema.ts";
import type { Subscription, Topic } from "../model/topic.ts";

const fields = {
  key: Type.String(),
  title: Type.Optional(Type.String()),
  open: Type.Boolean({ description: "Users may subscribe and unsubscribe themselves." }),
  created_at: Time(),
};

export const TopicDto = Type.Object(fields, { title: "Topic" });
export type TopicDto = Static<typeof TopicDto>;
export const TopicDetailsDto = Type.Object(
  { ...fields, subscribers: Type.Integer({ description: "How many users have subscribed." }) },
  { title: "TopicDetails" },
);
export type TopicDetailsDto = Static<typeof TopicDetailsDto>;
export const SubscriberDto = Type.Object(
  { user_id: Type.String(), subscribed_at: Time() },
  { title: "Subscriber" },
);
export type SubscriberDto = Static<typeof SubscriberDto>;
export const UserTopicDto = Type.Object({ ...fields, subscribed_at: Time() }, { title: "UserTopic" });
export type UserTopicDto = Static<typeof UserTopicDto>;
export const SubscribersChangedDto = Type.Object(
  {
    added: Type.Integer({ description: "Users who had not subscribed before." }),
    removed: Type.Integer({ description: "Users who had subscribed." }),
  },
  { title: "SubscribersChanged" },
);

export const topicDto = ({ key, title, open, createdAt }: Topic): TopicDto => ({
  key,
  ...(title !== undefined && { title }),
  open,
  created_at: iso(createdAt),
});

export const topicDetailsDto = ({
  subscribers,
  ...topic
}: Topic & { subscribers: number }): TopicDetailsDto => ({ ...topicDto(topic), subscribers });

export const userTopicDto = ({ at, ...topic }: Topic & { at: number }): UserTopicDto => ({
  ...topicDto(topic),
  subscribed_at: iso(at),
});

export const subscriberDto = ({ user, at }: Subscription): SubscriberDto => ({
  user_id: user,
  subscribed_at: iso(at),
});
