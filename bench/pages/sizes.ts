import { get } from "node:http";

export interface Size {
  path: string;
  /** As it is sent. */
  gzipped: number;
  bytes: number;
}

const paths = ["/inbox.js", "/", "/console.js", "/console.css", "/console-broadcasts.js", "/console-live.js"];

/** The sizes of the files that the service sends to browsers. */
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
