/** Parked keys: what waits behind what, in order, and releasing it. */
import { Route, Switch } from 'wouter';
import { KeyPage } from './key.tsx';
import { KeyList } from './list.tsx';

export default function ParkedKeys() {
  return (
    <Switch>
      <Route path="/parked-keys" component={KeyList} />
      <Route path="/parked-keys/events" component={KeyPage} />
    </Switch>
  );
}
