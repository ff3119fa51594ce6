/** Settings: what counts, where each value comes from, and what people may change while the relay runs. */
import { ControlCard } from './control.tsx';

export default function Settings() {
  return (
    <>
      <h1>Settings</h1>
      <ControlCard />
    </>
  );
}
