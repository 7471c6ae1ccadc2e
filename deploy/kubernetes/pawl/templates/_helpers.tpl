{{- define "pawl.name" -}}
{{- $name := .Release.Name }}
{{- if not (contains .Values.pipeline $name) }}{{ $name = printf "%s-%s" $name .Values.pipeline }}{{ end }}
{{- $name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "pawl.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "pawl.labels" -}}
{{ include "pawl.selector" . }}
app.kubernetes.io/component: {{ .Values.pipeline }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "pawl.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "pawl.name" .) }}
{{- else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- define "pawl.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}
{{- else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- /* A setting's variable: api.token is PAWL_API_TOKEN. */ -}}
{{- define "pawl.variable" -}}
PAWL_{{ . | upper | replace "." "_" }}
{{- end }}

{{- /* The settings as YAML. A number from values.yaml may come as 1e+06, which no setting reads. */ -}}
{{- define "pawl.settings" -}}
{{- range $name, $value := .Values.settings }}
{{- if kindIs "float64" $value }}
{{- if eq $value (floor $value) }}{{ $value = printf "%.0f" $value }}{{ else }}{{ $value = toString $value }}{{ end }}
{{- end }}
{{- $text := toString $value }}
{{- if $text }}
{{ $name }}: {{ $text | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Mistakes that the schema cannot see. */ -}}
{{- define "pawl.check" -}}
{{- range $name := list "application.id" "bootstrap.servers" "schema.registry.url" }}
{{- $_ := required (printf "settings.%q is missing: give it in the values" $name) (index $.Values.settings $name) }}
{{- end }}
{{- range $name, $ref := .Values.secrets }}
{{- if hasKey $.Values.settings $name }}{{ fail (printf "%s is in settings and in secrets: take it out of one" $name) }}{{ end }}
{{- end }}
{{- if .Values.autoscaling.enabled }}
{{- if not .Values.partitions }}{{ fail "autoscaling needs partitions, the number of the main input: more instances than that are idle" }}{{ end }}
{{- if gt (int .Values.autoscaling.maxReplicas) (int .Values.partitions) }}{{ fail (printf "autoscaling.maxReplicas is %d and the main input has %d partitions: more instances than that are idle" (int .Values.autoscaling.maxReplicas) (int .Values.partitions)) }}{{ end }}
{{- else if .Values.partitions }}
{{- if gt (int .Values.replicas) (int .Values.partitions) }}{{ fail (printf "replicas is %d and the main input has %d partitions: more instances than that are idle" (int .Values.replicas) (int .Values.partitions)) }}{{ end }}
{{- end }}
{{- if lt (int .Values.terminationGracePeriodSeconds) (add (int .Values.preStopSeconds) 25) }}{{ fail "terminationGracePeriodSeconds must be preStopSeconds + 25 at the least: transaction.timeout + session.timeout" }}{{ end }}
{{- end }}
