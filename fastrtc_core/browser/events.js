/**
 * Events with a `detail`, each known by its name.
 *
 * @template Detail
 * @typedef {((event: CustomEvent<Detail>) => unknown) | EventListenerObject} Listener
 */

/**
 * An `EventTarget` all of whose events are `CustomEvent`s.
 *
 * @template {object} Details  what the `detail` of each event is, by the name of the event
 */
export class Emitter extends EventTarget {
  /**
   * @template {keyof Details & string} Name
   * @override
   * @param {Name} type
   * @param {Listener<Details[Name]> | null} listener
   * @param {boolean | AddEventListenerOptions} [options]
   */
  addEventListener(type, listener, options) {
    super.addEventListener(type, /** @type {EventListener} */ (listener), options);
  }

  /**
   * @template {keyof Details & string} Name
   * @override
   * @param {Name} type
   * @param {Listener<Details[Name]> | null} listener
   * @param {boolean | EventListenerOptions} [options]
   */
  removeEventListener(type, listener, options) {
    super.removeEventListener(type, /** @type {EventListener} */ (listener), options);
  }
}
