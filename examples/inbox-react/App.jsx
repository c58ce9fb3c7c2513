import { useState } from "react";
import "belfry/inbox";

const getToken = async () => (await fetch("/token", { method: "POST" })).text();

export function App() {
  const [unread, setUnread] = useState(0);
  return (
    <>
      <header>
        <h1>A product</h1>
        <belfry-inbox
          server="http://127.0.0.1:3000"
          user="alex"
          getToken={getToken}
          onbelfry-count={({ detail }) => setUnread(detail.unread)}
        />
      </header>
      <p>
        Unread: <output id="unread">{unread}</output>
      </p>
    </>
  );
}
