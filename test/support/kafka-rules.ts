/** Owns the rules of a broker that is a test's own: who may do what with a topic. Nobody signs in there. */
import { type AclOperationTypes, AclResourceTypes, ResourcePatternTypes } from 'kafkajs';

/** Settings of a broker that obeys rules. Where there is none for a topic, everybody may do everything. */
export const obeyingRules = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'allow.everyone.if.no.acl.found': true,
};

/** What a rule is about, for everybody; its permission type is still to be said. */
export const ruleOf = (topic: string, operation: AclOperationTypes) => ({
  resourceType: AclResourceTypes.TOPIC,
  resourceName: topic,
  resourcePatternType: ResourcePatternTypes.LITERAL,
  principal: 'User:ANONYMOUS',
  host: '*',
  operation,
});
