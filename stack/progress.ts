/** Called with a short line, as "fetching Kafka 4.1.0", whenever something that may take over two seconds begins or moves. */
export type Progress = (line: string) => void;
