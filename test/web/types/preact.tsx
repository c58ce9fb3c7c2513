import "belfry/inbox/preact";
import { useRef } from "preact/hooks";

export function App({ session }: { session: string }) {
  const inbox = useRef<import("belfry/inbox").BelfryInbox>(null);
  return (
    <>
      <belfry-inbox
        ref={inbox}
        key="inbox"
        className="bell"
        server="https://notify.example"
        user="alex"
        getToken={async () => session}
        theme="dark"
        readOn="open"
        inline
        texts={{ title: "Post", unread: { one: "{n} new", other: "{n} new" } }}
        renderItem={(item) => item.title ?? null}
        onbelfry-count={({ detail }) => detail.unread.toFixed()}
        onbelfry-click={(event) => event.preventDefault()}
        onbelfry-items={({ detail }) => detail.items.map((one) => one.id)}
      >
        <b slot="title">Post</b>
      </belfry-inbox>
      <belfry-inbox user="alex" token-url="/token" read-on="click" />
      {/* @ts-expect-error */}
      <belfry-inbox user={7} />
      {/* @ts-expect-error */}
      <belfry-inbox theme="blue" />
      {/* @ts-expect-error */}
      <belfry-inbox usr="alex" />
      {/* @ts-expect-error */}
      <belfry-inbox onbelfry-count={({ detail }) => detail.unred} />
    </>
  );
}
