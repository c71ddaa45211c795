import { LitElement } from 'lit';
import type { ReadableAtom } from 'nanostores';

/**
 * A part of the page: draws itself from stores and again when one of them changes. It draws into the page itself, not
 * into a shadow tree, so that labels and styles reach everywhere.
 */
export abstract class Pane extends LitElement {
  /** The stores that this pane shows. */
  protected abstract readonly stores: readonly ReadableAtom<unknown>[];
  private unsubscribe: (() => void)[] = [];

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.unsubscribe = this.stores.map((store) => store.listen(() => this.requestUpdate()));
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const stop of this.unsubscribe) stop();
    this.unsubscribe = [];
  }
}
