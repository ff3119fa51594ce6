/**
 * What a fault of the page itself leaves standing: the frame, with the way to every other screen. Mostly it is the code of a
 * screen that cannot be loaded, since the console was upgraded or is away.
 */
import { Component, type ReactNode } from 'react';
import { ApiFault } from '../data/api.ts';
import { Failure } from './basics.tsx';

const message =
  'The console was upgraded since this page was loaded, or it does not answer, or the page has a fault.';

export class Boundary extends Component<{ children: ReactNode }, { error: unknown }> {
  override state = { error: undefined as unknown };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    if (this.state.error === undefined) return this.props.children;
    return (
      <>
        <h1>This screen cannot be shown</h1>
        <Failure
          error={new ApiFault(0, 'PAGE', message, 'Load the page again.')}
          onRetry={() => location.reload()}
        />
      </>
    );
  }
}
