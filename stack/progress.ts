/**
 * Called with a short line, such as "downloading Kafka", when a step that may take over two seconds starts or advances.
 */
export type Progress = (line: string) => void;
