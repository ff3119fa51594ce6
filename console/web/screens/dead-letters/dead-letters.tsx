/** Dead letters: which causes there are, what they hold, and repairing them. */
import { Route, Switch } from 'wouter';
import { Groups } from './groups.tsx';
import { LetterPage } from './letter.tsx';
import { LetterList } from './list.tsx';
import { PatchPage } from './patch-page.tsx';
import './dead-letters.css';

export default function DeadLetters() {
  return (
    <Switch>
      <Route path="/dead-letters" component={Groups} />
      <Route path="/dead-letters/list" component={LetterList} />
      <Route path="/dead-letters/patch" component={PatchPage} />
      <Route path="/dead-letters/:position">
        {({ position }) => <LetterPage key={position} position={position} />}
      </Route>
    </Switch>
  );
}
