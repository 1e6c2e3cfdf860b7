const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** The service's address without a slash at its end. Throws a TypeError for http to another machine. */
export function baseOf(address: string, allowHttp: boolean): string {
  const url = new URL(address);
  const isSafe = url.protocol === "https:" || (url.protocol === "http:" && (allowHttp || LOOPBACK.test(url.hostname)));
  if (!isSafe) throw new TypeError("baseUrl must be https: the key would be there for all to read");
  if (url.username !== "" || url.search !== "" || url.hash !== "") throw new TypeError("baseUrl is more than an address");
  return url.origin + url.pathname.replace(/\/+$/, "");
}

/** A path with its parameters, and a query of those that are given. */
export function fill(path: string, parameters: object, query: object): string {
  const values = parameters as Record<string, unknown>;
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    // Of these a path would be made another one.
    if (value === undefined || value === "" || value === "." || value === "..") throw new TypeError(`the path takes ${name}`);
    return encodeURIComponent(String(value));
  });
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  const search = new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)])).toString();
  return search === "" ? filled : `${filled}?${search}`;
}
