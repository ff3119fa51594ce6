/** Topics and keys: how much goes where, whether partitions and keys share the load, and what each topic allows. */
import { Route, Switch } from 'wouter';
import { TopicList } from './list.tsx';
import { TopicPage } from './topic.tsx';
import './topics.css';

export default function Topics() {
  return (
    <Switch>
      <Route path="/topics" component={TopicList} />
      <Route path="/topics/:topic">{({ topic }) => <TopicPage key={topic} topic={topic} />}</Route>
    </Switch>
  );
}
