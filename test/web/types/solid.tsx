import "belfry/inbox/solid";

export function App(props: { session: string }) {
  return (
    <>
      <belfry-inbox
        class="bell"
        server="https://notify.example"
        user="alex"
        prop:getToken={async () => props.session}
        theme="dark"
        inline
        prop:texts={{ title: "Post", unread: { one: "{n} new", other: "{n} new" } }}
        prop:renderItem={(item) => item.title ?? null}
        on:belfry-count={({ detail }) => detail.unread.toFixed()}
        on:belfry-click={(event) => event.preventDefault()}
        on:belfry-items={({ detail }) => detail.items.map((one) => one.id)}
      >
        <b slot="title">Post</b>
      </belfry-inbox>
      <belfry-inbox user="alex" token-url="/token" read-on="open" />
      {/* @ts-expect-error */}
      <belfry-inbox user={7} />
      {/* @ts-expect-error */}
      <belfry-inbox theme="blue" />
      {/* @ts-expect-error */}
      <belfry-inbox usr="alex" />
      {/* @ts-expect-error */}
      <belfry-inbox on:belfry-count={({ detail }) => detail.unred} />
    </>
  );
}
