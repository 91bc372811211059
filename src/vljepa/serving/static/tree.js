// The merge tree of a video, cut here: any rate is a cut of it, so the slider asks the service nothing.

/** `edges[b]` is the second where window b begins; `boundaries` in the order in which they were merged away. */
export class Tree {
  constructor({ edges, change, boundaries, costs }) {
    Object.assign(this, { edges, change, boundaries, costs });
    this.windows = change.length;
    this.start = edges[0];
    this.end = edges[edges.length - 1];
  }

  get seconds() {
    return Math.max(this.end - this.start, 0.001);
  }

  /** As many segments as `rate` a second allow: one at the least, and no more than windows. */
  count(rate) {
    return Math.min(Math.max(Math.round(rate * this.seconds), 1), this.windows);
  }

  /** The segments of a cut in time order: windows `first` to before `last`, seconds `start` to `end`. */
  cut(count) {
    const kept = this.boundaries.slice(this.windows - count).sort((one, other) => one - other);
    const firsts = [0, ...kept];
    return firsts.map((first, place) => {
      const last = firsts[place + 1] ?? this.windows;
      return { first, last, start: this.edges[first], end: this.edges[last], key: `${first}-${last}` };
    });
  }

  /** The number of the segment that is on at a second. */
  at(segments, second) {
    const found = segments.findIndex((segment) => second < segment.end);
    return found < 0 ? segments.length - 1 : found;
  }
}
