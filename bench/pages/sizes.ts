import { get } from "node:http";

export interface Size {
  path: string;
  /** As it goes over the line. */
  gzipped: number;
  bytes: number;
}

const paths = ["/inbox.js", "/", "/console.js", "/console.css", "/console-live.js"];

/** What browsers get, weighed at the service's door. */
export const sizes = (url: string): Promise<Size[]> =>
  Promise.all(
    paths.map(async (path) => ({
      path,
      gzipped: await weigh(url + path, "gzip"),
      bytes: await weigh(url + path, "identity"),
    })),
  );

function weigh(url: string, encoding: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false, headers: { "accept-encoding": encoding } }, (response) => {
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.on("end", () =>
        response.statusCode === 200 ? resolve(bytes) : reject(new Error(`${url}: ${response.statusCode}`)),
      );
    }).on("error", reject);
  });
}
