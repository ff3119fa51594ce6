/** Schemas: what the registry holds for the relay, what changed, and whether a schema may follow. Registers nothing. */
import { Route, Switch } from 'wouter';
import { SubjectList } from './list.tsx';
import { SubjectPage } from './subject.tsx';
import { TryPage } from './try-page.tsx';
import './schemas.css';

export default function Schemas() {
  return (
    <Switch>
      <Route path="/schemas" component={SubjectList} />
      <Route path="/schemas/:subject">
        {({ subject }) => <SubjectPage key={subject} subject={subject} />}
      </Route>
      <Route path="/schemas/:subject/try">
        {({ subject }) => <TryPage key={subject} subject={subject} />}
      </Route>
    </Switch>
  );
}
