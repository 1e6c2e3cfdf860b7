import type { components, paths } from "./generated/schema.js";

/** The shapes of the OpenAPI document, by name. */
export type Schemas = components["schemas"];

export type Method = "get" | "post" | "put" | "patch" | "delete";

/** The paths that take a method. */
export type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P] extends { [K in M]: { responses: unknown } } ? P : never;
}[keyof paths];

/** The operation of a method on a path. */
export type OperationOf<M extends Method, P extends PathOf<M>> = paths[P] extends { [K in M]: infer O } ? O : never;

type PathParameters<O> = O extends { parameters: { path: infer X } } ? { path: X } : { path?: never };
type QueryParameters<O> = O extends { parameters: { query?: infer X } }
  ? [NonNullable<X>] extends [never] ? { query?: never } : { query?: NonNullable<X> }
  : { query?: never };
type Json<C> = C extends { "application/json": infer B } ? B : never;
type Body<O> = O extends { requestBody: { content: infer C } } ? { body: Json<C> }
  : O extends { requestBody?: { content: infer C } | undefined } ? [Json<C>] extends [never] ? { body?: never } : { body?: Json<C> }
  : { body?: never };

/** What any call may say beside its parameters. */
export interface Common {
  /** Ends the call: it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Of each try, in milliseconds; the client's if left out. */
  timeoutMs?: number;
  /** Of a POST. Made for you; give your own where the same call may be made again after a crash. */
  idempotencyKey?: string;
}

export type OptionsOf<O> = PathParameters<O> & QueryParameters<O> & Body<O> & Common;

/** Optional where nothing in it is required. */
export type Arguments<T> = Record<never, never> extends T ? [options?: T] : [options: T];

type ContentOf<R> = R extends { content: { "application/json": infer B } } ? B : undefined;
type Success<O> = O extends { responses: infer R }
  ? { [S in keyof R]: S extends 200 | 201 | 202 | 204 ? ContentOf<R[S]> : never }[keyof R]
  : never;

/** A reply of one thing comes without its envelope. */
type Opened<B> = B extends { data: infer D } ? ([Exclude<keyof B, "data">] extends [never] ? D : B) : B;

/** What a call resolves to. */
export type ReplyOf<O> = Opened<Success<O>>;

/** What a list has of, if it is one that is read in pages. */
export type ItemOf<O> = Success<O> extends { data: (infer I)[]; pagination: unknown } ? I
  : Success<O> extends { Items: (infer I)[]; Next?: unknown } ? I
  : never;

/** The paths of lists. */
export type ListPath = {
  [P in PathOf<"get">]: [ItemOf<OperationOf<"get", P>>] extends [never] ? never : P;
}[PathOf<"get">];
