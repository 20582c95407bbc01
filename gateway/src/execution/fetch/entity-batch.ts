import type { FetchDataRewrite } from '@apollo/query-planner';
import type { Data } from '../data/data.ts';
import { objectsAt, type PlanPath, pathsOfObjects, pathToList, type ResponsePath } from '../data/paths.ts';
import type { RequestedKeys } from '../data/requested-keys.ts';
import type { Represent } from './representation.ts';
import type { Run } from './run.ts';

/** An entity fetch, compiled for execution. */
export interface CompiledEntityFetch {
  key: string;
  variable: string;
  targets: readonly CompiledTarget[];
  sharedAs: string | null;
}

export interface CompiledTarget {
  path: PlanPath;
  represent: Represent;
  outputRewrites: readonly FetchDataRewrite[] | undefined;
  /** The response keys that the fetch selects of each entity. */
  requested: RequestedKeys;
}

/** An object into which the fetched fields of an entity are merged. */
export interface Receiver {
  object: Data;
  target: CompiledTarget;
}

/** The representations of one entity fetch in one execution. Equal representations are sent once. */
export class EntityBatch {
  readonly fetch: CompiledEntityFetch;
  readonly #root: Data;
  /** For each representation, the objects into which its entity is merged. */
  readonly receivers: Receiver[][] = [];
  /** Entities that an earlier fetch of this execution returned, each with the object that needs the entity. */
  readonly known: { receiver: Receiver; entity: Data }[] = [];
  /** The representations, in the order of `receivers`. */
  readonly #texts: string[] = [];
  readonly #shared: Map<string, Data> | null;
  readonly #indexes = new Map<string, number>();
  readonly #paths = new Map<CompiledTarget, Map<Data, ResponsePath>>();

  /** @param objects the objects that lack fields. Default: all objects at the paths of the targets */
  constructor(fetch: CompiledEntityFetch, run: Run, objects?: readonly Data[]) {
    this.fetch = fetch;
    this.#root = run.data;
    this.#shared = fetch.sharedAs === null ? null : run.sharedBy(fetch.sharedAs);
    for (const target of fetch.targets) {
      for (const object of objects ?? objectsAt(run.data, target.path)) {
        const text = target.represent(object);
        if (text === null) continue;
        const entity = this.#shared?.get(text);
        if (entity) this.known.push({ receiver: { object, target }, entity });
        else this.#add(text, { object, target });
      }
    }
  }

  /** Keeps a copy of an entity for later fetches of the same fields. The copy must not be changed. */
  share(index: number, copy: () => Data): void {
    const text = this.#texts[index];
    if (this.#shared && text !== undefined) this.#shared.set(text, copy());
  }

  /** The list of representations as JSON. */
  get json(): string {
    return `[${this.#texts.join()}]`;
  }

  /** Returns the response path of an object. */
  pathOf({ object, target }: Receiver): ResponsePath {
    const paths = this.#paths.get(target) ?? pathsOfObjects(this.#root, target.path);
    this.#paths.set(target, paths);
    // An object has no path if a parallel fetch has replaced it by another object.
    return paths.get(object) ?? pathToList(target.path);
  }

  /** The paths at which an error is reported if the whole fetch fails. */
  get listPaths(): ResponsePath[] {
    const used = this.fetch.targets.filter((target) =>
      this.receivers.some((receivers) => receivers.some((receiver) => receiver.target === target)),
    );
    return used.map(({ path }) => pathToList(path));
  }

  #add(text: string, receiver: Receiver): void {
    const known = this.#indexes.get(text);
    if (known !== undefined) {
      this.receivers[known]?.push(receiver);
      return;
    }
    this.#indexes.set(text, this.receivers.length);
    this.#texts.push(text);
    this.receivers.push([receiver]);
  }
}
