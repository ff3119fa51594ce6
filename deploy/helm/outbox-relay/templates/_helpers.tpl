{{- define "outbox-relay.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Short enough for "-migrate" and the like behind it, and for the names of Pods. */}}
{{- define "outbox-relay.fullname" -}}
{{- $name := include "outbox-relay.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 45 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 45 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "outbox-relay.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "outbox-relay.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* These never change: a Deployment refuses another selector. */}}
{{- define "outbox-relay.selector" -}}
app.kubernetes.io/name: {{ include "outbox-relay.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "outbox-relay.labels" -}}
{{ include "outbox-relay.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "outbox-relay.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ printf "%s@%s" .repository .digest }}
{{- else -}}
{{ printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A number of a section of the settings, or its default. A text such as ${PORT} cannot be the port of a container. */}}
{{- define "outbox-relay.port" -}}
{{- $section := default dict (index .root.Values.config .section) -}}
{{- $port := ternary (index $section .key) .default (hasKey $section .key) -}}
{{- if eq (int $port) 0 }}{{ fail (printf "config.%s.%s must be a fixed port between 1 and 65535" .section .key) }}{{ end -}}
{{- int $port -}}
{{- end -}}

{{- define "outbox-relay.httpPort" -}}
{{- include "outbox-relay.port" (dict "root" . "section" "http" "key" "port" "default" 9465) -}}
{{- end -}}

{{- define "outbox-relay.auditPort" -}}
{{- include "outbox-relay.port" (dict "root" . "section" "audit" "key" "httpPort" "default" 9466) -}}
{{- end -}}

{{- define "outbox-relay.consolePort" -}}
{{- include "outbox-relay.port" (dict "root" . "section" "console" "key" "port" "default" 9467) -}}
{{- end -}}

{{/* What the containers know beside relay.yaml: variables win over the file. */}}
{{- define "outbox-relay.env" -}}
- name: OUTBOX_RELAY_CONFIG
  value: /etc/outbox-relay/relay.yaml
- name: OUTBOX_RELAY_HTTP_HOST
  value: {{ default "0.0.0.0" (default dict .root.Values.config.http).host | quote }}
- name: POD_IP
  valueFrom: { fieldRef: { fieldPath: status.podIP } }
# Where the console finds the relay.
- name: OUTBOX_RELAY_HTTP_ANNOUNCE
  value: $(POD_IP)
{{- range $name, $from := merge (dict) (default dict .secretEnv) .root.Values.secretEnv }}
- name: {{ $name }}
  valueFrom: { secretKeyRef: { name: {{ $from.name | quote }}, key: {{ $from.key | quote }} } }
{{- end }}
{{- with .root.Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Mounted as a folder: Kubernetes brings a file that is mounted alone never up to date. */}}
{{- define "outbox-relay.mounts" -}}
- { name: config, mountPath: /etc/outbox-relay, readOnly: true }
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "outbox-relay.volumes" -}}
- name: config
  configMap: { name: {{ include "outbox-relay.fullname" . }} }
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What every Pod of the chart has. */}}
{{- define "outbox-relay.pod" -}}
automountServiceAccountToken: false
# Variables of services would be taken for settings, and the relay needs none.
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext: {{ toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.initContainers }}
initContainers: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "outbox-relay.container" -}}
image: {{ include "outbox-relay.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{ toYaml .Values.securityContext | nindent 2 }}
{{- end -}}

{{/* How a monitor scrapes. */}}
{{- define "outbox-relay.endpoint" -}}
port: http
path: /metrics
interval: {{ .interval }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with .relabelings }}
relabelings: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* For Helm, null is a value that is not set. The relay refuses a setting without a value. */}}
{{- define "outbox-relay.removeNulls" -}}
{{- $map := . -}}
{{- range $key, $value := $map -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := unset $map $key -}}
{{- else if kindIs "map" $value -}}
{{- include "outbox-relay.removeNulls" $value -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* relay.yaml: the settings, with what the chart knows of the console. */}}
{{- define "outbox-relay.relayYaml" -}}
{{- $config := deepCopy .Values.config -}}
{{- include "outbox-relay.removeNulls" $config -}}
{{- with .Values.console.ingress -}}
{{- if and $.Values.console.enabled .enabled -}}
{{- $console := default dict (get $config "console") -}}
{{- $_ := set $console "hosts" (append (default list (get $console "hosts")) .host | uniq) -}}
{{- $_ := set $console "pathPrefix" (printf "%s/" (trimSuffix "/" .path)) -}}
{{- $_ := set $config "console" $console -}}
{{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* What the value of a setting holds beside references to variables. The fallback of one is read by everybody, too. */}}
{{- define "outbox-relay.literal" -}}
{{- regexReplaceAll "\\$\\{[A-Za-z_][A-Za-z0-9_]*(:-)?\\}" (toString .) "" -}}
{{- end -}}

{{/* No message quotes a value. */}}
{{- define "outbox-relay.checkSecrets" -}}
{{- range $setting := .Files.Get "files/secret-settings.json" | fromJsonArray -}}
{{- $value := $.Values.config -}}
{{- range $key := $setting.path -}}
{{- if kindIs "map" $value }}{{ $value = get $value $key }}{{ else }}{{ $value = "" }}{{ end -}}
{{- end -}}
{{- $isSecret := false -}}
{{- if eq $setting.form "map" -}}
{{- if kindIs "map" $value -}}
{{- range $name, $each := $value -}}
{{- if and (regexMatch "(?i)authorization|cookie|secret|passw|token|assertion|api-?key" $name) (include "outbox-relay.literal" $each) }}{{ $isSecret = true }}{{ end -}}
{{- end -}}
{{- end -}}
{{- else if $value -}}
{{- $literal := include "outbox-relay.literal" $value -}}
{{- if eq $setting.form "url" -}}
{{- $isSecret = regexMatch (printf "://[^/?#@]*:[^@]+@|(?i)[?&][^=&]*%s=[^&]" ($.Files.Get "files/secret-key-end.txt")) $literal -}}
{{- else -}}
{{- $isSecret = ne $literal "" -}}
{{- end -}}
{{- end -}}
{{- if $isSecret -}}
{{- fail (printf "config.%s holds a secret, and everybody who reads the ConfigMap would read it. Store it in a Secret, and name that one in secretEnv instead: secretEnv.%s: { name: <Secret>, key: <key> }" (join "." $setting.path) $setting.env) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* An address without which no relay starts, from where the Pods get it. */}}
{{- define "outbox-relay.checkAddress" -}}
{{- $env := list -}}
{{- range .root.Values.extraEnv }}{{ $env = append $env .name }}{{ end -}}
{{- $section := default dict (get .root.Values.config .section) -}}
{{- if not (or (get $section .key) (hasKey .root.Values.secretEnv .env) (has .env $env)) -}}
{{- fail (printf "no address of %s: set %s" .of .how) -}}
{{- end -}}
{{- end -}}

{{/* What would fail only later, and less clearly. */}}
{{- define "outbox-relay.check" -}}
{{- $shutdownMs := default 8000 .Values.config.shutdownMs -}}
{{- if and (not (kindIs "string" $shutdownMs)) (ge (divf $shutdownMs 1000) (float64 .Values.terminationGracePeriodSeconds)) -}}
{{- fail (printf "terminationGracePeriodSeconds (%v) must be longer than config.shutdownMs (%v ms): Kubernetes would kill the relay before it has stopped" .Values.terminationGracePeriodSeconds $shutdownMs) -}}
{{- end -}}
{{- include "outbox-relay.checkSecrets" . -}}
{{- include "outbox-relay.checkAddress" (dict "root" . "of" "Postgres" "section" "database" "key" "url" "env" "DATABASE_URL" "how" "secretEnv.DATABASE_URL: { name: <Secret>, key: <key> }, a Secret with the connection string of the relay's role") -}}
{{- include "outbox-relay.checkAddress" (dict "root" . "of" "Kafka" "section" "kafka" "key" "brokers" "env" "KAFKA_BROKERS" "how" "config.kafka.brokers, such as ['kafka.kafka:9092']") -}}
{{- if eq "avro" (default "avro" (default dict .Values.config.records).format) -}}
{{- include "outbox-relay.checkAddress" (dict "root" . "of" "the schema registry" "section" "registry" "key" "url" "env" "SCHEMA_REGISTRY_URL" "how" "config.registry.url, or config.records.format: json, which needs none") -}}
{{- end -}}
{{- if and .Values.prometheusRule.enabled (contains (printf "/%s/" "OWNER") .Values.prometheusRule.runbookUrl) -}}
{{- fail "prometheusRule.runbookUrl is required in a chart from a clone: the address at which your colleagues read the pages of docs/, such as https://wiki.example.com/outbox-relay. Each alert links to its page there" -}}
{{- end -}}
{{- $audit := default dict .Values.config.audit -}}
{{- if and .Values.audit.enabled (ne (toString (default 0 $audit.everyMinutes)) "0") -}}
{{- fail "audit.enabled and config.audit.everyMinutes exclude each other: the audit would run twice" -}}
{{- end -}}
{{- if and .Values.podMonitor.enabled .Values.serviceMonitor.enabled -}}
{{- fail "podMonitor.enabled and serviceMonitor.enabled exclude each other: every relay would be scraped twice" -}}
{{- end -}}
{{- if and .Values.migrations.enabled (not .Values.migrations.secret.name) -}}
{{- fail "migrations.secret.name is required: the Secret with the connection string of the owner of the schema" -}}
{{- end -}}
{{- with .Values.console -}}
{{- if .enabled -}}
{{- $env := merge (dict) (default dict .secretEnv) $.Values.secretEnv -}}
{{- $settings := default dict $.Values.config.console -}}
{{- if not (or (hasKey $env "OUTBOX_RELAY_CONSOLE_VIEW_TOKEN") (hasKey $env "OUTBOX_RELAY_CONSOLE_OPERATE_TOKEN") $settings.userHeader) -}}
{{- fail "the console needs a way to sign in: OUTBOX_RELAY_CONSOLE_VIEW_TOKEN or OUTBOX_RELAY_CONSOLE_OPERATE_TOKEN in console.secretEnv, or config.console.userHeader" -}}
{{- end -}}
{{- if and .ingress.enabled (not .ingress.host) -}}
{{- fail "console.ingress.host is required: the console answers only for hosts that it knows" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
