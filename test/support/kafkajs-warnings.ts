/** Keeps the output of the tests to what they have to say. */
import { ignoreNegativeTimeouts } from '../../relay/connect/kafkajs-warnings.ts';

ignoreNegativeTimeouts();
