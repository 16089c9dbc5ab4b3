// Written by `make wire` from volvelle/views/circles/circular_manifold.py: change that.
import type { WireArray } from "../../lib/wire/arrays";
import type { BaseRequests, BaseTraits } from "../../lib/wire/traits";

export interface CircleFacts {
  model?: string;
  remote?: boolean;
  point?: string;
  layer?: number;
  source?: string;
  axes?: string[];
  verdict?: string;
  found?: boolean;
  scored?: boolean;
  method?: string;
  orientation?: string;
  n?: number;
  n_null?: number;
  seed?: number;
  ring?: number;
}

export interface CircularManifoldTraits extends BaseTraits {
  _facts: CircleFacts;
  _names: string[];
  _places: WireArray;
  angle: number;
  rim: number;
  selected: string[];
  snap: boolean;
  strength: number;
}

export type CircularManifoldRequests = BaseRequests;
